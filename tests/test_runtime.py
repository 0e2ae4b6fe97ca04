import itertools
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_models import CARD, GRAPH, SIZE, card, expected, familiarity, keras_file, model_file, pictures, rewritten

from framevote.classifier import imagenet_path
from framevote.engine import openvino_core
from framevote.errors import MissingExtra, ModelError, UsageError
from framevote.model_file import KERAS, Openness, read_model_file
from framevote.model_file.card import card_text
from framevote.runtime import KerasRuntime, OpenVINORuntime, _has_gpu, _take_precision, open_runtime

BF16 = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    return read_model_file(model_file(tmp_path_factory.mktemp("models") / "colours.fvm"))


@pytest.fixture(scope="module")
def runtime(colours):
    return OpenVINORuntime(colours, "f32")


def joined(answers) -> tuple[np.ndarray, np.ndarray]:
    probabilities, embeddings, _ = zip(*answers, strict=True)
    return np.concatenate(probabilities), np.concatenate(embeddings)


@given(count=st.integers(1, 60), batch=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_answers_come_in_the_order_of_the_pictures_whatever_the_batch(colours, count, batch, seed):
    images = pictures(count, seed)
    probabilities, embeddings = joined(OpenVINORuntime(colours, "f32", batch).infer(iter(images)))
    wanted = expected(images)
    assert (probabilities.dtype, embeddings.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(probabilities, wanted[0], atol=1e-5)
    np.testing.assert_allclose(embeddings, wanted[1], rtol=1e-5)


def test_no_pictures_give_no_answers(runtime):
    assert list(runtime.infer([])) == []


def test_pictures_are_pulled_as_they_are_needed(runtime):
    pulled = itertools.count()
    answers = runtime.infer(image for image in itertools.cycle(pictures(5)) if next(pulled) >= 0)
    for _ in range(50):
        next(answers)
    ahead = next(pulled) - 50 * runtime.batch
    answers.close()
    assert 0 <= ahead <= 200 * runtime.batch  # 3 for each request that runs: far from all of an endless stream
    assert next(pulled) == ahead + 50 * runtime.batch + 1


def test_an_earlier_answer_is_not_overwritten_by_a_later_one(runtime):
    images = pictures(200, seed=3)
    kept = list(runtime.infer(images))
    np.testing.assert_allclose(joined(kept)[1], expected(images)[1], rtol=1e-5)


def failing(images, after: int, error: BaseException):
    yield from images[:after]
    raise error


@pytest.mark.parametrize("error", [OSError("a corrupt stretch"), KeyboardInterrupt(), UsageError("a wrong size")])
@pytest.mark.parametrize("after", [0, 1, 7, 150])
def test_what_the_pictures_raise_reaches_the_caller_and_the_runtime_goes_on(runtime, error, after):
    images = pictures(160)
    with pytest.raises(type(error)) as raised:
        joined(runtime.infer(failing(images, after, error)))
    assert raised.value is error
    np.testing.assert_allclose(joined(runtime.infer(images))[1], expected(images)[1], rtol=1e-5)


def test_two_streams_of_one_runtime_do_not_mix(runtime):
    first, second = pictures(40, 1), pictures(40, 2)
    pairs = list(zip(runtime.infer(first), runtime.infer(second), strict=True))
    np.testing.assert_allclose(joined(a for a, _ in pairs)[1], expected(first)[1], rtol=1e-5)
    np.testing.assert_allclose(joined(b for _, b in pairs)[1], expected(second)[1], rtol=1e-5)


def test_threads_may_share_a_runtime(runtime):
    found = {}

    def work(seed: int) -> None:
        found[seed] = joined(runtime.infer(pictures(100, seed)))[1]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        np.testing.assert_allclose(found[seed], expected(pictures(100, seed))[1], rtol=1e-5)


def test_waiting_costs_no_processor_time(runtime):
    def slow():
        for image in pictures(8):
            time.sleep(0.1)
            yield image

    list(runtime.infer(pictures(8)))
    before = time.process_time()
    list(runtime.infer(slow()))
    assert time.process_time() - before < 0.4  # of 0.8 seconds; threads that spin would take 0.8 each


@pytest.mark.parametrize(
    ("asked", "capabilities", "taken"),
    [("auto", ["FP32"], "f32"), ("auto", ["FP32", "BF16"], "bf16"), ("f32", ["FP32", "BF16"], "f32"), ("bf16", ["BF16"], "bf16")],
)
def test_the_precision_is_what_the_processor_has(asked, capabilities, taken):
    assert _take_precision(asked, capabilities) == taken


def test_bf16_where_it_is_absent_is_refused_with_the_way_out():
    with pytest.raises(ModelError, match=r"does not compute in bf16\. Give precision='f32'"):
        _take_precision("bf16", ["FP32", "INT8"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"precision": "f16"}, r"precision is one of auto, f32, bf16\. Received: 'f16'"),
        ({"device": "tpu"}, r"device is one of cpu, gpu\. Received: 'tpu'"),
        ({"runtime": "onnx"}, r"runtime is one of openvino, keras\. Received: 'onnx'"),
        ({"device": "gpu", "runtime": "openvino"}, r"openvino runs on the processor.*runtime='keras'"),
    ],
)
def test_unknown_names_are_refused(colours, arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        open_runtime(colours, **arguments)


GRAPHS = {
    "no XML": b"\x00\x01",
    "nothing": b"",
    "another XML": b"<?xml version='1.0'?><svg/>",
    "an unknown layer": b"<net name='a' version='11'><layers><layer id='0' name='x' type='Nothing' version='opset1'/></layers></net>",
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_a_damaged_graph_is_refused_with_a_sentence(tmp_path, colours, graph):
    path = rewritten(colours.path, tmp_path / "a.fvm", {GRAPH: graph})
    with pytest.raises(ModelError, match=r"network in a\.fvm cannot be loaded by OpenVINO\. Export the model again"):
        open_runtime(read_model_file(path))


def test_weights_cut_short_are_refused(tmp_path, colours):
    path = rewritten(colours.path, tmp_path / "a.fvm", {"openvino/model.bin": b""})
    with pytest.raises(ModelError, match="cannot be loaded by OpenVINO"):
        open_runtime(read_model_file(path))


def test_a_card_that_does_not_fit_its_network_is_refused(tmp_path):
    path = model_file(tmp_path / "a.fvm", labels=("one", "two"))
    with pytest.raises(ModelError, match=r"should give embedding \(N, D\), probabilities \(N, 2\)\. Received"):
        open_runtime(read_model_file(path))


# From here on with Keras, on the default model.


@pytest.fixture(scope="module")
def file(imagenet):
    return read_model_file(imagenet_path())


@pytest.fixture(scope="module")
def photos():
    return pictures(6, seed=5, size=224)


@pytest.mark.parametrize("batch", [1, 5])
def test_openvino_in_f32_gives_what_keras_gives(file, photos, batch):
    ours = joined(OpenVINORuntime(file, "f32", batch).infer(photos))
    keras = KerasRuntime(file, batch=batch)
    theirs = joined(keras.infer(photos))
    assert (keras.precision, keras.device, keras.embedding) == ("f32", "cpu", 1280)
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-4)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-4)


def test_the_default_model_gives_the_same_whatever_the_batch(file, photos):
    one, *others = (joined(OpenVINORuntime(file, "f32", batch).infer(photos)) for batch in (1, 2, 4, 16))
    for other in others:
        np.testing.assert_allclose(other[0], one[0], atol=1e-5)
        np.testing.assert_allclose(other[1], one[1], atol=1e-4)


@pytest.mark.skipif(not BF16, reason="this processor does not compute in bf16")
def test_bf16_is_near_f32(file, photos):
    bf16, f32 = (open_runtime(file, precision) for precision in ("bf16", "f32"))
    assert (bf16.precision, f32.precision, open_runtime(file).precision) == ("bf16", "f32", "bf16")
    near, exact = (joined(r.infer(photos))[0] for r in (bf16, f32))
    assert 0 < np.abs(near - exact).max() < 0.1


def test_keras_takes_no_bf16(file):
    with pytest.raises(ModelError, match="runtime keras computes in f32"):
        open_runtime(file, "bf16", runtime="keras")


def test_a_gpu_that_is_not_there_is_told(file):
    if _has_gpu("tensorflow"):
        pytest.skip("there is a GPU here")
    with pytest.raises(ModelError, match=r"backend tensorflow sees no GPU here.*device='cpu'"):
        open_runtime(file, device="gpu")


def test_absent_keras_is_told_with_the_line_that_installs_it(file, monkeypatch):
    monkeypatch.setattr("framevote.engine.importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'framevote\[train\]'"):
        open_runtime(file, runtime="keras")


@pytest.mark.parametrize("backend", ["jax", "none such"])
def test_a_backend_that_is_not_there_is_told(backend, file):
    code = (
        "import sys; sys.modules['jax'] = None  # as if it were not installed\n"
        "from framevote.errors import ModelError; from framevote.model_file import read_model_file\n"
        "from framevote.runtime import open_runtime\n"
        "try: open_runtime(read_model_file(sys.argv[1]), runtime='keras')\n"
        "except ModelError as error: print(error)"
    )
    environment = os.environ | {"KERAS_BACKEND": backend}
    said = subprocess.run([sys.executable, "-c", code, file.path], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.startswith(f"Keras cannot start with KERAS_BACKEND={backend}: ")


def test_keras_starts_without_tensorflows_log(file):
    code = (
        "import sys; from framevote.model_file import read_model_file; from framevote.runtime import open_runtime; "
        "open_runtime(read_model_file(sys.argv[1]), runtime='keras')"
    )
    quiet = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    said = subprocess.run([sys.executable, "-c", code, file.path], env=quiet, capture_output=True, text=True, check=True)
    assert "rebuild TensorFlow" not in said.stderr
    assert "cpu_feature_guard" not in said.stderr


def test_a_keras_model_that_carries_code_is_refused(tmp_path, file):
    import keras

    image = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    keras.Model(image, keras.layers.Lambda(lambda x: x)(image)).save(tmp_path / "code.keras")
    empty = keras_file(tmp_path / "empty.keras")
    for content, sentence in (
        ((tmp_path / "code.keras").read_bytes(), "holds a Lambda"),
        (b"no zip", "is damaged"),
        (empty.read_bytes(), "cannot be loaded"),
    ):
        path = rewritten(file.path, tmp_path / "a.fvm", {KERAS: content})
        with pytest.raises(ModelError, match=rf"Keras model in a\.fvm {sentence}"):
            open_runtime(read_model_file(path), runtime="keras")


def test_the_familiarity_is_told_where_the_card_has_openness(tmp_path, runtime):
    images = pictures(9)
    assert np.isnan(next(runtime.infer(images)).familiarity).all()
    wide = Openness((0.5, 0.9), (0.2,) * 3, (0.8,) * 3, 0.05)
    answers = list(OpenVINORuntime(read_model_file(model_file(tmp_path / "a.fvm", openness=wide)), "f32").infer(images))
    np.testing.assert_allclose(np.concatenate([answer.familiarity for answer in answers]), familiarity(images), rtol=1e-5)
    path = rewritten(model_file(tmp_path / "c.fvm"), tmp_path / "b.fvm", {CARD: card_text(card(openness=wide)).encode()})
    with pytest.raises(ModelError, match=r"b\.fvm should give .*familiarity \(N, 1\)"):
        open_runtime(read_model_file(path))


def test_a_backbone_gives_embeddings_and_no_probabilities(tmp_path):
    runtime = OpenVINORuntime(read_model_file(model_file(tmp_path / "a.fvm", labels=())), "f32")
    probabilities, embeddings = joined(runtime.infer(pictures(6)))
    assert probabilities.shape == (6, 0)
    np.testing.assert_allclose(embeddings, expected(pictures(6))[1], rtol=1e-5)


def test_a_signal_is_heard_after_models_have_come_and_gone(colours) -> None:
    code = f"""
        import signal, time
        from framevote.model_file import read_model_file
        from framevote.runtime import open_runtime
        file = read_model_file({str(colours.path)!r})
        first, second = open_runtime(file), open_runtime(file)
        del first
        del second
        signal.signal(signal.SIGALRM, lambda *_: print("heard"))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(0.5)
    """
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "heard\n")


def test_openvino_is_loaded_without_its_telemetry() -> None:
    code = (
        "import sys; from framevote.engine import openvino_core; openvino_core(); "
        "import openvino.tools.ovc; print(sys.modules['openvino_telemetry'], 'openvino_telemetry.main' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["None", "False"]
