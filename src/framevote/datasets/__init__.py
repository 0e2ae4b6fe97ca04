"""Data sets: photos, clips and pieces of videos with their labels, in the layouts that people have."""

from framevote.datasets.items import Dataset, Item, Kind, Problem, Side
from framevote.datasets.layouts import LAYOUTS, read_dataset
from framevote.datasets.looking import FRAMES, frames_of

__all__ = ["FRAMES", "LAYOUTS", "Dataset", "Item", "Kind", "Problem", "Side", "frames_of", "read_dataset"]
