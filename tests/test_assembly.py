"""The top as arrays against SciPy, and as Keras layers against the arrays."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from framevote.assembly import Top, crowned, embedding_model, embedding_of, sigmoid
from framevote.errors import ModelError


def made(seed: int = 0, several: bool = False, prototypes: int = 5, scale: float = 1.0) -> tuple[Top, np.ndarray]:
    random = np.random.default_rng(seed)
    held = random.normal(0, 1, (6, prototypes))
    top = Top(random.normal(0, scale, (6, 3)), random.normal(0, 1, 3), several, held / np.linalg.norm(held, axis=0))
    return top, random.normal(0, 1, (20, 6)).astype(np.float32)


@given(seed=st.integers(0, 99), several=st.booleans(), scale=st.sampled_from([0.1, 1.0, 1e4]))
@settings(deadline=None)
def test_a_top_is_a_linear_layer_and_the_nearest_prototype(seed, several, scale):
    top, embeddings = made(seed, several, scale=scale)
    logits = embeddings.astype(np.float64) @ top.kernel.astype(np.float64) + top.bias
    wanted = scipy.special.expit(logits) if several else scipy.special.softmax(logits, axis=1)
    np.testing.assert_allclose(top.probabilities(embeddings), wanted, atol=1e-9)
    cosines = embeddings @ top.prototypes / np.linalg.norm(embeddings, axis=1, keepdims=True)
    np.testing.assert_allclose(top.familiarity(embeddings), cosines.max(axis=1), atol=1e-6)


def test_without_prototypes_nothing_is_familiar():
    top, embeddings = made()
    for none in (Top(top.kernel, top.bias), made(prototypes=0)[0]):
        assert np.isnan(none.familiarity(embeddings)).all()
        np.testing.assert_array_equal(none.with_prototypes(top.prototypes).familiarity(embeddings), top.familiarity(embeddings))
    assert top.familiarity(np.zeros((2, 6), np.float32)).tolist() == [0, 0]


def test_the_sigmoid_of_any_number():
    logits = np.array([-1e308, -800, -1.5, 0, 1.5, 800, 1e308])
    np.testing.assert_allclose(sigmoid(logits), scipy.special.expit(logits), rtol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "bias", "prototypes", "told"),
    [
        ((6, 3), (2,), None, r"kernel \(D, C\) and bias \(C,\)"),
        ((6,), (6,), None, r"kernel \(D, C\)"),
        ((6, 3), (3,), (5, 2), r"prototypes \(D, K\)"),
        ((6, 3), (3,), (6,), r"prototypes \(D, K\)"),
    ],
)
def test_a_top_checks_its_shapes(kernel, bias, prototypes, told):
    with pytest.raises(ValueError, match=f"Top expects {told}"):
        Top(np.zeros(kernel), np.zeros(bias), prototypes=None if prototypes is None else np.zeros(prototypes))


@pytest.mark.parametrize("several", [False, True])
def test_a_top_is_kept_and_read(tmp_path, several):
    top, embeddings = made(several=several)
    top.save(tmp_path / "top.npz")
    again = Top.load(tmp_path / "top.npz")
    assert again.several is several
    for one in ("probabilities", "familiarity"):
        np.testing.assert_array_equal(getattr(again, one)(embeddings), getattr(top, one)(embeddings))
    assert repr(top) == "Top(6 numbers → 3 labels)"


@pytest.fixture(scope="module")
def network():
    import keras

    pictures = keras.Input((4, 4, 2), dtype="uint8")
    return keras.Model(pictures, keras.layers.Dense(6)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pictures))), name="net")


@pytest.mark.parametrize(("several", "prototypes"), [(False, 5), (True, 0)])
def test_the_layers_of_a_top_give_what_its_arrays_give(network, several, prototypes):
    top, _ = made(several=several, prototypes=prototypes)
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 2), np.uint8)
    for below in (network, crowned(network, made(1)[0]), embedding_model(network)):  # a top may take the place of another
        found = crowned(below, top).predict(images, verbose=0)
        assert set(found) == {"probabilities", "embedding", *(["familiarity"] if prototypes else [])}
        np.testing.assert_allclose(found["embedding"], network.predict(images, verbose=0), rtol=1e-6)
        np.testing.assert_allclose(found["probabilities"], top.probabilities(found["embedding"]), atol=1e-5)
        if prototypes:
            np.testing.assert_allclose(found["familiarity"][:, 0], top.familiarity(found["embedding"]), atol=1e-5)


def test_a_model_of_other_outputs_is_told(network):
    import keras

    assert embedding_of(network) is network.output
    for output in ({"scores": network.output}, [network.output, network.output]):
        with pytest.raises(ModelError, match="has one output, or one called embedding"):
            embedding_of(keras.Model(network.input, output))
