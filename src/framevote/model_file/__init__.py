"""The model file: one `.fvm`, a stored zip of data and nothing that runs.

model.keras          how to train on
openvino/model.xml   how to run: probabilities and embedding from one pass, preprocessing inside the graph
openvino/model.bin   its weights, float32
card.json            labels, backbone, head, view, calibration, training data, metrics, versions
"""

from framevote.model_file.archive import CARD, GRAPH, KERAS, SUFFIX, WEIGHTS, ModelFile, read_model_file, write_model_file
from framevote.model_file.card import FORMAT, OUTPUTS, Card, Openness
from framevote.model_file.keras_file import check_keras_file

__all__ = [
    "CARD",
    "FORMAT",
    "GRAPH",
    "KERAS",
    "OUTPUTS",
    "SUFFIX",
    "WEIGHTS",
    "Card",
    "ModelFile",
    "Openness",
    "check_keras_file",
    "read_model_file",
    "write_model_file",
]
