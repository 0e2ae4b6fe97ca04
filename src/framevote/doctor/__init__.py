"""The doctor: whether averaging frames is enough for a data set, or whether the order in which things happen tells the classes."""

from framevote.doctor.job import auto, examine
from framevote.doctor.results import Cost, Diagnosis, Gain, Look, Verdict, diagnosis_json

__all__ = ["Cost", "Diagnosis", "Gain", "Look", "Verdict", "auto", "diagnosis_json", "examine"]
