"""The model file: one `.fvm`, a stored zip of data and nothing that runs.

model.keras          how to train on
openvino/model.xml   how to run: probabilities and embedding from one pass, preprocessing inside the graph
openvino/model.bin   its weights, float32
head.keras, openvino/head.xml|bin   where the model sees order: from windows of embeddings to probabilities
encoding/codebook.npz, top.npz   a model of an encoding: what was learned of descriptors, and the classifier of their vectors;
                     it has a network only where its features come from one
card.json            labels, backbone, head, view, calibration, training data, metrics, versions, the vote
"""

from framevote.model_file.archive import (
    CARD,
    CODEBOOK,
    GRAPH,
    HEAD_GRAPH,
    HEAD_KERAS,
    HEAD_WEIGHTS,
    KERAS,
    SUFFIX,
    TOP,
    WEIGHTS,
    ModelFile,
    check_writable,
    read_model_file,
    write_model_file,
    write_vote,
)
from framevote.model_file.card import FORMAT, OUTPUTS, Card, Openness, Vote
from framevote.model_file.keras_file import check_keras_file

__all__ = [
    "CARD",
    "CODEBOOK",
    "FORMAT",
    "GRAPH",
    "HEAD_GRAPH",
    "HEAD_KERAS",
    "HEAD_WEIGHTS",
    "KERAS",
    "OUTPUTS",
    "SUFFIX",
    "TOP",
    "WEIGHTS",
    "Card",
    "ModelFile",
    "Openness",
    "Vote",
    "check_keras_file",
    "check_writable",
    "read_model_file",
    "write_model_file",
    "write_vote",
]
