"""The economy of looking: how much of every frame's timeline each strategy gives on a video, and what it costs."""

from framevote.economy.curve import check_curve, write_curve
from framevote.economy.job import weigh
from framevote.economy.results import Economy, LeftOut, Trial
from framevote.economy.wording import economy_json

__all__ = ["Economy", "LeftOut", "Trial", "check_curve", "economy_json", "weigh", "write_curve"]
