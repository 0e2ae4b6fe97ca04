"""What was found: each strategy's timeline against that of every frame, and what it took."""

from dataclasses import dataclass

from framevote.economy.budgets import of_this_length
from framevote.strategies import Strategy


@dataclass(frozen=True)
class Trial:
    """A strategy on a video, beside every frame.

    Attributes:
        strategy: which one.
        agreement: share (0 to 1) of the time axis on which it shows what every frame shows.
        changes: how often its label changes.
        distance: median over every frame's changes of the seconds to the nearest of these; None where either has none.
        label: the best of the whole video.
        same: whether that is every frame's too.
        scored: frames that the model has looked at.
        decoded: frames that were decoded, those that only lead to others included.
        share: scored, of the frames of the video, 0 to 1.
        seconds: that it took, of wall time, the model loaded and warm.
        faster: how many times as long every frame took, measured.
        doubtful: seconds of the video in which the vote was left open; None where the strategy does not say.
        notes: sentences on what had to be done the slower way.
    """

    strategy: Strategy
    agreement: float
    changes: int
    distance: float | None
    label: str
    same: bool
    scored: int
    decoded: int
    share: float
    seconds: float
    faster: float
    doubtful: float | None
    notes: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """The strategy as an option of `framevote label`, to copy."""
        return f'--strategy "{self.strategy!r}"'


@dataclass(frozen=True)
class LeftOut:
    """A strategy that could not be tried, and the sentence why."""

    strategy: Strategy
    reason: str
    named: bool


@dataclass(frozen=True)
class Economy:
    """Strategies on one video.

    Attributes:
        video: its path.
        duration: seconds.
        frames: how many it shows.
        model, fingerprint: which model looked.
        vote: the texts of the smoother and of the cut.
        least: share of the time axis (0 to 1) that is to be as with every frame.
        reference: every frame.
        trials: all others that were tried, in their order.
        left_out: what could not be tried.
    """

    video: str
    duration: float
    frames: float
    model: str
    fingerprint: str
    vote: tuple[str, str]
    least: float
    reference: Trial
    trials: tuple[Trial, ...]
    left_out: tuple[LeftOut, ...] = ()

    def __repr__(self) -> str:
        return f"Economy({self.video!r}, {len(self.trials)} strategies, {self.recommended.strategy!r} at {self.least:g})"

    @property
    def recommended(self) -> Trial:
        """The cheapest that agrees with every frame on the share that was asked for; every frame itself where no other does."""
        return self._cheapest(*self.trials)

    @property
    def recommended_elsewhere(self) -> Trial:
        """The same of those whose budget does not depend on the length of the video."""
        return self._cheapest(*(trial for trial in self.trials if not of_this_length(trial.strategy)))

    @property
    def closest(self) -> Trial | None:
        """Of those that are quicker than every frame, the one that agrees most; None where there is none."""
        quicker = (trial for trial in self.trials if trial.seconds < self.reference.seconds)
        return max(quicker, key=lambda trial: (trial.agreement, -trial.seconds), default=None)

    def _cheapest(self, *trials: Trial) -> Trial:
        able = (trial for trial in (self.reference, *trials) if trial.agreement >= self.least)
        return min(able, key=lambda trial: trial.seconds)
