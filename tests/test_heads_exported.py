"""A head that sees order, from clips to a timeline, with the tiny backbone; and every head's OpenVINO graph beside Keras."""

import json

import numpy as np
import pytest
from made_training import clip, export_here

from framevote import export
from framevote.classifier import load_model
from framevote.errors import InputError
from framevote.heads import TemporalHead, fit_prototypes
from framevote.heads.learning import FittedWindows
from framevote.labeling import label
from framevote.model_file import HEAD_GRAPH, HEAD_KERAS, OUTPUTS, read_model_file
from framevote.parts import build, names
from framevote.records import Sampling
from framevote.targets import export_to
from framevote.testing import made_rows
from framevote.training import train
from framevote.video import open_video

HEADS = (
    "Moments()",
    "MLP(units=8)",
    "SimpleRNN(units=8)",
    "LSTM(units=8, causal=True)",
    "GRU(units=8, two_way=True)",
    "TemporalConv(units=8, look='embedding+change+centred')",
    "Transformer(units=8)",
    "R2Plus1D(units=4)",
)


def ramp(random: np.random.Generator, shares: np.ndarray) -> list[np.ndarray]:
    """Pictures of noise that are as red as their share, and blue for the rest."""
    pictures = []
    for share in shares:
        blocks = random.integers(0, 120, (4, 4, 3)) + np.array([130 * share, 0, 130 * (1 - share)])
        pictures.append(np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8))
    return pictures


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of clips that turn red, or blue, in two seconds of five frames each; single frames are alike in both."""
    folder, random = tmp_path_factory.mktemp("order"), np.random.default_rng(0)
    for number in range(14):
        for name, shares in (("redder", np.linspace(0, 1, 10)), ("bluer", np.linspace(1, 0, 10))):
            (folder / "data" / name).mkdir(parents=True, exist_ok=True)
            clip(folder / f"{name}{number}.mkv", ramp(random, shares)).rename(folder / "data" / name / f"{number}.mkv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEVOTE_CACHE", str(folder / "cache"))
        export_here(patch)
        head = "TemporalConv(units=16, regions=0, dropout=0.2, epochs=15, rate=0.01)"
        return train(folder / "data", folder / "order.fvm", backbone="tiny", head=head, precision="f32")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """It turns red for four seconds, and blue for four more."""
    shares = np.concatenate([np.linspace(0, 1, 20), np.linspace(1, 0, 20)])
    return clip(tmp_path_factory.mktemp("video") / "both.mkv", ramp(np.random.default_rng(9), shares))


def test_the_order_is_learned(trained):
    assert trained.card.metrics["accuracy"] >= 0.8  # of 28 clips, in five folds; frames alone tell half
    assert trained.card.sampling == Sampling(10, 2.0)
    assert trained.card.head == "TemporalConv(units=16, regions=0, dropout=0.2, epochs=15, rate=0.01)"
    assert trained.card.backbone == "tiny"
    assert trained.problems == ()
    assert read_model_file(trained.path).head


def test_a_timeline_says_when_things_turned(trained, video):
    timeline = label(video, trained.path, known_only=True, precision="f32")
    (first, second) = timeline.segments
    assert (first.label, second.label) == ("redder", "bluer")
    assert (first.start, second.start, second.end) == (0, pytest.approx(4, abs=0.6), pytest.approx(8))


def test_a_single_frame_has_no_order(trained, tmp_path):
    still = clip(tmp_path / "still.mkv", ramp(np.random.default_rng(3), np.ones(1)))
    with pytest.raises(InputError, match=r"still\.mkv shows a single frame\. Expected at least two: the model looks at how 10 follow"):
        label(still, trained.path, precision="f32")


def test_keras_gives_what_openvino_gives(trained, video):
    scores = []
    for runtime in ("openvino", "keras"):
        model = load_model(trained.path, runtime=runtime, precision="f32" if runtime == "openvino" else "auto")
        scores.append(model.scores(open_video(video, view=model.view)))
    assert len(scores[0]) == 40
    np.testing.assert_array_equal(scores[0].times, scores[1].times)
    np.testing.assert_allclose(scores[0].values, scores[1].values, atol=1e-4)


def test_exported_it_says_the_same_in_another_runtime(trained, video, tmp_path):
    """Backbone and head by onnxruntime alone, on a window of the video, are what framevote says of the clip."""
    import onnxruntime

    done = export_to(trained.path, "onnx", tmp_path / "order.onnx")
    assert [path.name for path in done.paths] == ["order.onnx", "order.head.onnx", "order.onnx.json"]
    assert done.difference <= 1e-4
    told = json.loads(done.paths[2].read_text("utf-8"))
    assert [network["name"] for network in told["networks"]] == ["model", "head"]
    assert told["window"] == {"frames": 10, "seconds": 2.0, "frames_per_second": 5.0, "causal": False}
    model = load_model(trained.path, precision="f32", known_only=True)
    frames = list(open_video(video, view=model.view))[:10]
    backbone, head = (onnxruntime.InferenceSession(path) for path in done.paths[:2])
    embeddings = backbone.run(["embedding"], {backbone.get_inputs()[0].name: np.stack([frame.image for frame in frames])})[0]
    answer = head.run(["probabilities"], {head.get_inputs()[0].name: embeddings[None]})[0]
    (expected,) = model.clips([frames])
    np.testing.assert_allclose(answer, expected.values, atol=1e-4)


def test_every_head_that_sees_order_is_compared():
    assert {spec.partition("(")[0] for spec in HEADS} == set(names("head")) - {"Average", "LinearSVM"}


@pytest.mark.parametrize("spec", HEADS)
def test_openvino_gives_what_keras_gives_of_every_head(spec, tmp_path):
    part, numbers = build("head", spec), 64 * 64 if spec.startswith("R2Plus1D") else 24
    values, targets = made_rows(part, numbers)
    if isinstance(part, TemporalHead):  # as it is drawn: what it learns is told elsewhere
        fitted = FittedWindows(part, numbers, 3, False, tuple(part.network(numbers, 3, False).get_weights()))
    else:
        fitted = part(values, targets, np.ones(len(values)), False, part.strengths[0])
    fitted.with_prototypes(fit_prototypes(values.mean(axis=1), targets)).save(tmp_path / HEAD_KERAS)
    (tmp_path / HEAD_GRAPH).parent.mkdir()
    model = export._converted(tmp_path / HEAD_KERAS, tmp_path / HEAD_GRAPH, (OUTPUTS[0], OUTPUTS[2]))
    for frames in (5, 12):
        export.compare(model, tmp_path / HEAD_GRAPH, made_rows(part, numbers, frames)[0])
