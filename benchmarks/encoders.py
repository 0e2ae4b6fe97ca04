"""Encoders against scikit-image, scikit-learn and a plain loop, and beside the product of matrices that none can do without.

Descriptors are `DenseSIFT(step=2)` of the photos that come with scikit-image and scikit-learn, and of their mirror images.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import OUT, Spread, Usage, Worker, alternated, middle, told, used
from benchmarks.table import Row, Setting

_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg")
_SET = 49  # descriptors of a moment on a grid of 7 × 7
_ALPHA = 0.15
_AGAINST = {  # the other side's name, how many descriptors (quick: a tenth) each side gets, and the goal
    "fisher_large": ("Fisher vector, 64 words × 64 numbers, one set of 200,000", "scikit-image", 200_000, 200_000, 1.5),
    "fisher_sets": ("Fisher vectors, 64 words × 64 numbers, 4,000 sets of 49", "scikit-image, set by set", 4000 * _SET, 1000 * _SET, 10.0),
    "sparse": ("sparse codes, 1,024 atoms × 128 numbers, α = 0.15", "scikit-learn's lasso_lars", 8192, 1024, 10.0),
    "sparse_cd": ("sparse codes, 1,024 atoms × 128 numbers, α = 0.15", "scikit-learn's lasso_cd", 8192, 512, 10.0),
    "llc": ("LLC, 1,024 words × 128 numbers", "a loop over descriptors: distances, sort, solve", 40_000, 2000, 20.0),
}
_BESIDE = {  # what is encoded, and how many words and numbers the product has that it cannot do without
    "BagOfWords(words=1024)": (1024, 128),
    "SoftAssignment(words=1024)": (1024, 128),
    "LLC(words=1024)": (1024, 128),
    "VLAD(words=64)": (64, 64),
    "SuperVector(words=64)": (64, 64),
    "FisherVector(words=64)": (64, 128),  # values and their squares
    "PCA(components=64)": (64, 128),
}
_ROWS = 100_000


def encoders(setting: Setting) -> Iterator[Row]:
    """Yield a row for each comparison, and one for each encoder beside its product of matrices."""
    with Worker() as ours, Worker() as theirs:
        ours.ask("make_codebooks")
        for name, (title, other, own_count, count, goal) in _AGAINST.items():
            shares = [max(number // (10 if setting.quick else 1), _SET) for number in (own_count, count)]
            works = (
                partial(ours.time, "encode_rows", name=name, count=shares[0]),
                partial(theirs.time, "encode_rows", name=f"{name} by others", count=shares[1]),
            )
            yield _compared(f"{title}, against {other}", works, setting, f"≥ {goal:g} ×", goal)
        for spec in _BESIDE:
            count = _ROWS // (10 if setting.quick else 1)
            works = (
                partial(ours.time, "encode_rows", name=spec, count=count),
                partial(theirs.time, "encode_rows", name=f"{spec} limit", count=count),
            )
            yield _compared(f"`{spec}`, against its product of matrices alone", works, setting, "", None)
        works = (
            partial(ours.time, "encode_rows", name="DenseSIFT", count=0),
            partial(theirs.time, "encode_rows", name="DenseSIFT limit", count=0),
        )
        yield _compared("`DenseSIFT()`, 961 points a picture, against OpenCV's SIFT alone", works, setting, "", None)


def _compared(title: str, works: tuple[Callable[[], Usage], ...], setting: Setting, words: str, goal: float | None) -> Row:
    alternated(1, *works)
    pairs = alternated(setting.rounds, *works)
    ratio = Spread.of([mine.rate / other.rate for mine, other in pairs])
    mine, other = (middle([usages[side] for usages in pairs]).rate for side in range(2))
    beside = f"{mine:,.0f} against {other:,.0f} descriptors/s"
    return Row(
        title, words, ratio.text(), ratio.median >= goal if goal else None, beside, {"ratio": ratio.median, "ours": mine, "other": other}
    )


def make_codebooks() -> dict[str, Any]:
    """Learn the codebooks where they are not there yet; both sides read them."""
    return {"usage": told(used(lambda: len(_codebook("mixture")) * len(_codebook("dictionary")) * len(_codebook("k_means"))))}


def encode_rows(name: str, count: int) -> dict[str, Any]:
    """Encode so many descriptors."""
    work = _work(name, count)
    return {"usage": told(used(work))}


@cache
def _work(name: str, count: int) -> Callable[[], int]:
    """Return what is measured, with all that it needs in memory; it returns how many descriptors it encoded."""
    spec, _, side = name.partition(" ")
    if spec == "DenseSIFT":
        return _dense_sift(bare=bool(side))
    if side == "limit":
        words, numbers = _BESIDE[spec]
        one, two = _values(128)[:count, :numbers].copy(), np.random.default_rng(0).random((numbers, words), np.float32)
        return lambda: len([one[at : at + 1024] @ two for at in range(0, count, 1024)]) and count
    if spec.startswith("PCA"):
        fitted, values = _pca(), _values(128)[:count]
        return lambda: len(fitted(values))
    makers = {"fisher_large": _fisher, "fisher_sets": _fisher, "sparse": _sparse, "sparse_cd": _sparse, "llc": _llc}
    return makers[spec](name, count) if spec in makers else _coder(spec, count)


def _fisher(name: str, count: int) -> Callable[[], int]:
    from skimage.feature import fisher_vector  # noqa: PLC0415 - with the workers alone
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415

    from framevote.encoders.differences import FisherCoder  # noqa: PLC0415

    values, mixture = _values(64)[:count], _codebook("mixture")
    starts = np.arange(0, count + 1, count if "large" in name else _SET)
    if "others" not in name:
        coder = FisherCoder(mixture)
        return lambda: len(coder.pooled(values[: starts[-1]], starts, "sum")) and int(starts[-1])
    model = GaussianMixture(64, covariance_type="diag")
    model.weights_, model.means_, model.covariances_ = mixture.weights, mixture.means, mixture.deviations**2
    model.precisions_cholesky_ = 1 / mixture.deviations
    return lambda: len([fisher_vector(values[at : at + starts[1]], model) for at in starts[:-1]]) and int(starts[-1])


def _sparse(name: str, count: int) -> Callable[[], int]:
    from sklearn.decomposition import sparse_encode  # noqa: PLC0415
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    from framevote.encoders.lasso import sparse_codes  # noqa: PLC0415
    from framevote.encoders.sparse import of_length_one  # noqa: PLC0415

    values, atoms = of_length_one(_values(128)[:count]), _codebook("dictionary")
    gram = atoms @ atoms.T
    if "others" not in name:
        return lambda: len([sparse_codes(values[at : at + 1024], atoms, gram, _ALPHA) for at in range(0, count, 1024)]) and count
    algorithm = "lasso_cd" if "cd" in name else "lasso_lars"

    def theirs() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return len(sparse_encode(values, atoms, gram=gram, algorithm=algorithm, alpha=_ALPHA, max_iter=1000))

    return theirs


def _llc(name: str, count: int) -> Callable[[], int]:
    from framevote.encoders import LLC  # noqa: PLC0415

    if "others" not in name:
        return _coder("LLC(words=1024)", count)
    values, words, encoder = _values(128)[:count], _codebook("k_means"), LLC()
    codes = np.zeros((count, len(words)), np.float32)

    def loop() -> int:
        for row, value in enumerate(values):
            near = np.argsort(((words - value) ** 2).sum(axis=1))[: encoder.nearest]
            apart = words[near] - value
            gram = apart @ apart.T
            gram += np.eye(encoder.nearest) * encoder.regular * np.trace(gram)
            code = np.linalg.solve(gram, np.ones(encoder.nearest))
            codes[row, near] = code / code.sum()
        return count

    return loop


def _coder(spec: str, count: int) -> Callable[[], int]:
    from framevote.parts import build  # noqa: PLC0415

    encoder = build("encoder", spec)
    if spec.startswith("Fisher"):
        return _fisher("fisher_large", count)
    values = _values(64 if encoder.words == 64 else 128)[:count]
    words = _codebook("k_means") if encoder.words == 1024 else _codebook("mixture").means
    coder, starts = encoder.coder({"codebook": words, "scale": np.array([20.0])}), np.array([0, count])
    return lambda: len(coder.pooled(values, starts, encoder.pooling)) and count


def _dense_sift(bare: bool) -> Callable[[], int]:
    import cv2  # noqa: PLC0415

    from framevote.descriptors import DenseSIFT  # noqa: PLC0415
    from framevote.records import Frame  # noqa: PLC0415

    part, photos = DenseSIFT(), _photos()
    if not bare:
        return lambda: sum(len(found) for found in part(Frame(photo, 0.0) for photo in photos))
    sift, places = cv2.SIFT_create(), next(part([Frame(photos[0], 0.0)])).places * part.size - 0.5
    points = [cv2.KeyPoint(float(x), float(y), 4 / 1.5, 0.0) for x, y in places]
    return lambda: sum(len(sift.compute(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), points)[1]) for photo in photos)


@cache
def _photos() -> list[Any]:
    import skimage.data  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415
    from sklearn.datasets import load_sample_images  # noqa: PLC0415

    folder = Path(skimage.data.__file__).parent
    photos = [Image.open(folder / name).convert("RGB") for name in _PHOTOS]
    photos += [Image.fromarray(image) for image in load_sample_images().images]
    arrays = [np.asarray(photo.resize((256, 256))) for photo in photos]
    return arrays + [np.ascontiguousarray(array[:, ::-1]) for array in arrays]


@cache
def _values(numbers: int) -> Any:
    """Return 200,000 descriptors and some more, in no order: of 128 numbers, or of 64 after PCA."""
    from framevote.descriptors import DenseSIFT  # noqa: PLC0415
    from framevote.records import Frame  # noqa: PLC0415

    if numbers == 64:
        return _pca()(_values(128))
    values = np.concatenate([found.values for found in DenseSIFT(step=2)(Frame(photo, 0.0) for photo in _photos())])
    return values[np.random.default_rng(0).permutation(len(values))]


@cache
def _pca() -> Any:
    from framevote.encoders import PCA  # noqa: PLC0415

    return PCA().fit(_values(128)[:20_000])


@cache
def _codebook(name: str) -> Any:
    from framevote.encoders import codebooks  # noqa: PLC0415

    path = OUT / "encoders" / f"{name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        learn = {
            "mixture": lambda: codebooks.mixture(_values(64)[:20_000], 64, 0),
            "dictionary": lambda: (codebooks.dictionary(_values(128)[:10_240], 1024, _ALPHA, 0),),
            "k_means": lambda: (codebooks.k_means(_values(128)[:50_000], 1024, 0),),
        }
        np.savez(path, *learn[name]())
    with np.load(path) as held:
        arrays = [held[key] for key in held.files]
    return codebooks.Mixture(*arrays) if name == "mixture" else arrays[0]
