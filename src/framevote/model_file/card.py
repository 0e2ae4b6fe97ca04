"""The card of a model: everything that is no weight, as a value and as JSON."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from framevote.errors import ModelError, PartError
from framevote.parts import build
from framevote.records import UNKNOWN, Sampling, View
from framevote.smoothing import Smoother
from framevote.timelines import Cut

FORMAT = 4
"""The newest layout that is read, and the one that is written.

2: `several`, `thresholds`, `openness`, `metrics`, `frames`. 3: `vote`, `sampling`. 4: `features`, `projection`, `encoder`, `view.motion`.
"""

_FIRST_WITH_VOTE = 3

OUTPUTS = ("probabilities", "embedding", "familiarity")
"""What a model's network gives: the first for a model with labels, the second always, the last for one with openness."""

_BESIDE = ("format", "training", "metrics", "versions", "vote")
"""Fields that decide no score: a file whose card differs in these alone has the same fingerprint."""


@dataclass(frozen=True)
class Openness:
    """When a model says that it does not know: numbers that training reads off held-out items (`framevote.calibration`).

    Attributes:
        familiar: similarity to the nearest prototype at which a picture is half familiar, and from which it is fully so.
        doubtful: for each label, the probability at which a picture that it wins is half known.
        sure: for each label, the probability from which it is fully known.
        loss: the share of held-out items of the known classes that are called unknown so.
    """

    familiar: tuple[float, float]
    doubtful: tuple[float, ...]
    sure: tuple[float, ...]
    loss: float

    def __post_init__(self) -> None:
        if len(self.familiar) != 2 or not _numbers((*self.familiar, *self.doubtful, *self.sure, self.loss)):
            raise ValueError("Openness expects two similarities, and numbers everywhere")
        pairs = [self.familiar, *zip(self.doubtful, self.sure, strict=True)]
        if any(half >= full for half, full in pairs):
            raise ValueError("Openness expects each half value below its full one")


@dataclass(frozen=True)
class Vote:
    """The vote that a model's timelines take where the caller names none: what `framevote tune` found best for it.

    Attributes:
        smoother: the smoother's text as a part.
        hysteresis, shortest, unknown: of the cut, as `framevote.timelines.Cut` takes them.

    Raises:
        PartError: a text that is no smoother, or a number that does not fit.
    """

    smoother: str
    hysteresis: float = 0.0
    shortest: float = 0.0
    unknown: float = 0.0

    def __post_init__(self) -> None:
        self.parts()

    def parts(self) -> tuple[Smoother, Cut]:
        """Return the smoother and the cut."""
        smoother = _smoother(self.smoother) if isinstance(self.smoother, str) else None
        if not isinstance(smoother, Smoother):
            raise PartError(f"Vote expects the text of a smoother, such as 'Viterbi()'. Received: {self.smoother!r}")
        return smoother, Cut(hysteresis=self.hysteresis, shortest=self.shortest, unknown=self.unknown)


@lru_cache(maxsize=256)
def _smoother(text: str) -> Any:
    """Return the part of a text; it is frozen, and hundreds of votes may name it."""
    return build("smoother", text)


@dataclass(frozen=True)
class Card:
    """What a model is: everything that is no weight.

    Attributes:
        name: what the model is called.
        labels: the class names, one for each probability; none where the file is a backbone that gives embeddings only.
        backbone: the network's text as a part; empty where features come from none.
        head: what stands on the backbone.
        view: how a picture becomes the input, the same as in training.
        temperature: the probabilities are softmax(logits / temperature), or with several labels their sigmoid; 1 leaves the network's own.
        several: whether a picture may have more than one label, or none.
        thresholds: with several labels, the probability from which each is given; else empty.
        openness: when the model says unknown; None where it never does.
        frames: how many frames of a clip were looked at in training; 0 where nobody says.
        sampling: how a head that sees order, or an encoding of windows, samples time; None for a model of single frames.
        features, projection, encoder: the texts of these parts, where the head stands on encoded local features; else empty.
        training: a summary of what it was trained on; None where nobody wrote one.
        metrics: what training measured on held-out data.
        versions: of the packages that made it.
        vote: what its timelines take where the caller names no vote; None where nobody tuned it.
    """

    name: str
    labels: tuple[str, ...]
    backbone: str
    head: str
    view: View
    temperature: float = 1.0
    several: bool = False
    thresholds: tuple[float, ...] = ()
    openness: Openness | None = None
    frames: int = 0
    sampling: Sampling | None = None
    training: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    vote: Vote | None = None
    features: str = ""
    projection: str = ""
    encoder: str = ""

    def __post_init__(self) -> None:
        if len({bool(text) for text in (self.features, self.projection, self.encoder)}) > 1:
            raise ValueError(f"Card expects features, projection and encoder, or none of them. Received: encoder={self.encoder!r}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"Card expects labels, no two alike. Received: {len(self.labels)} with {len(set(self.labels))} different")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"Card expects a temperature above 0. Received: {self.temperature}")
        if self.thresholds and (not self.several or len(self.thresholds) != len(self.labels)):
            raise ValueError(f"Card expects thresholds for several labels only, one for each. Received: {len(self.thresholds)}")
        if self.openness:
            self._check_openness(len(self.openness.doubtful))

    def _check_openness(self, values: int) -> None:
        if values != len(self.labels):
            raise ValueError(f"Card expects openness for each of the {len(self.labels)} labels. Received: {values}")
        if self.several or UNKNOWN in self.labels:
            raise ValueError(f"Card expects openness where a picture has one label and none is called {UNKNOWN}. Received: another")


def card_text(card: Card) -> str:
    """Return the card as JSON."""
    return json.dumps({"format": FORMAT, **asdict(card)}, indent=1, ensure_ascii=False, allow_nan=False)


def voted_text(text: bytes, vote: Vote | None) -> str:
    """Return the card that a text holds with another vote; every other field stays, those that this version does not know too."""
    told = json.loads(text)
    changed = {"format": max(_FIRST_WITH_VOTE, told["format"]), "vote": asdict(vote) if vote else None}
    return json.dumps({**told, **changed}, indent=1, allow_nan=False)


def deciding_text(text: bytes) -> str:
    """Return what of a card's text decides the scores, in one order and spelling."""
    told = json.loads(text)
    return json.dumps({name: told[name] for name in told if name not in _BESIDE}, sort_keys=True, allow_nan=False)


def read_card(name: str, text: bytes) -> Card:
    """Return the card that a text holds; fields that this version does not know are left aside.

    Raises:
        ModelError: the text of the file `name` is no card, or of a newer format.
    """
    try:
        told = json.loads(text, parse_constant=_number, parse_float=_number)
        if (received := _format(told)) > FORMAT:
            raise ModelError(f"{name} has model format {received}; this framevote reads up to {FORMAT}. Install a newer framevote.")
        known = {field: told[field] for field in Card.__dataclass_fields__ if field in told}
        card = Card(**{**known, **_values(told)})
        _check_kinds(card)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, PartError) as error:
        raise ModelError(f"{name}: its card cannot be read ({type(error).__name__}: {error}). Export the model again.") from None
    return card


def _number(text: str) -> float:
    """Return a number of the JSON; NaN and what is without end, which no card of ours holds, are refused."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"a number that is {text[:20]}")
    return number


def _format(told: dict[str, Any]) -> int:
    if type(received := told.pop("format")) is not int or received < 1:
        raise TypeError(f"a format that is no whole number from 1 on: {received!r}")
    return received


def _values(told: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are more than what JSON gives back."""
    openness, sampling, vote = (told.get(name) for name in ("openness", "sampling", "vote"))
    return {
        "labels": tuple(told["labels"]),
        "view": View(**told["view"]),
        "thresholds": tuple(told.get("thresholds", ())),
        "openness": Openness(**{name: _plain(openness[name]) for name in Openness.__dataclass_fields__}) if openness else None,
        "sampling": Sampling(**{name: sampling[name] for name in Sampling.__dataclass_fields__}) if sampling is not None else None,
        "vote": Vote(**{name: vote[name] for name in Vote.__dataclass_fields__}) if vote is not None else None,
    }


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_kinds(card: Card) -> None:
    parts = (card.backbone, card.head, card.features, card.projection, card.encoder)
    texts = (card.name, *parts, *card.labels, *card.versions, *card.versions.values())
    sizes = (card.view.width, card.view.height, card.frames)
    if not (all(isinstance(text, str) for text in texts) and all(type(size) is int and 0 <= size < 2**31 for size in sizes)):
        raise TypeError("a name that is no text, or a size that is no whole number")
    if card.sampling and not _numbers((card.sampling.seconds,)):
        raise TypeError("a window that is no number of seconds")
    if not _numbers((card.temperature, card.view.crop, *card.thresholds)) or not isinstance(card.several, bool):
        raise TypeError("a temperature, crop or threshold that is no number, or several that is neither true nor false")
    if not isinstance(card.training, dict | None) or not isinstance(card.metrics, dict):
        raise TypeError("a training summary or metrics that are no dict")


def _numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in values)
