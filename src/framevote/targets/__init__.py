"""Other programs' runtimes: the networks of a model file as ONNX, OpenVINO, LiteRT, SavedModel or Keras, with the labels beside them.

What is written gives what framevote gives: the temperature is inside. Each file is run in its own runtime and compared with Keras
before it is called finished.
"""

from framevote.targets.job import Export, Exported, export_to, prepared
from framevote.targets.table import TARGETS, Target

__all__ = ["TARGETS", "Export", "Exported", "Target", "export_to", "prepared"]
