"""The grid of choices: each encoder with every pooling that it takes and every normalisation that is tried."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from framevote.encoders import Encoder
from framevote.errors import PartError, UsageError
from framevote.parts import build, names

NORMALISATIONS = ("l1", "l2", "power+l2", "intra+l2")
"""What is tried unless told otherwise."""


@dataclass(frozen=True)
class Family:
    """An encoder and the settings of it that share codebook and codes.

    Attributes:
        encoder: the part whose codebook is learned.
        settings: the same with each pooling and normalisation.
    """

    encoder: Encoder
    settings: tuple[Encoder, ...]

    @property
    def name(self) -> str:
        """The encoder's text, without what is varied."""
        usual = type(self.encoder)()
        return repr(replace(self.encoder, pooling=usual.pooling, normalisation=usual.normalisation))

    @property
    def poolings(self) -> tuple[str, ...]:
        """Those of the settings, each once."""
        return tuple(dict.fromkeys(setting.pooling for setting in self.settings))


def families(
    encoders: Sequence[str | Encoder] = (), normalisations: Sequence[str] = NORMALISATIONS, pyramid: str | None = None
) -> tuple[Family, ...]:
    """Return the grid; without encoders it is of all that are known.

    Raises:
        PartError: something that is no encoder, or a pyramid or normalisation that is none.
        UsageError: the same encoder twice, or nothing to compare.
    """
    parts = [_encoder(spec, pyramid) for spec in encoders or names("encoder")]
    shared = [replace(part, pooling=part.poolings[0], normalisation="none") for part in parts]
    if twice := [part for part, same in zip(parts, shared, strict=True) if shared.count(same) > 1]:
        raise UsageError(
            f"{twice[0]} is named twice. Expected encoders that differ in more than pooling and normalisation, which are all tried."
        )
    if not normalisations:
        raise UsageError("There is nothing to compare: no normalisation is named.")
    tried = tuple(dict.fromkeys(normalisations))
    return tuple(Family(part, tuple(_varied(part, tried))) for part in parts)


def _varied(part: Encoder, normalisations: Sequence[str]) -> Iterator[Encoder]:
    for pooling in part.poolings:
        yield from (replace(part, pooling=pooling, normalisation=steps) for steps in normalisations)


def _encoder(spec: str | Encoder, pyramid: str | None) -> Encoder:
    part = build("encoder", spec)
    if not isinstance(part, Encoder):
        raise PartError(f"Expected an encoder, as an object or as text; `framevote parts encoder` lists them. Received: {spec!r}")
    return part if pyramid is None else replace(part, pyramid=pyramid)
