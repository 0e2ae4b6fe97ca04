"""What passes between the job and its TensorFlow process: the order, and the answer."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

ORDER = "order.json"
ANSWER = "answer.json"
WRITTEN = "written"
"""The folder that the process writes to; a network's files have its name there."""

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Network:
    """A network of a model file.

    Attributes:
        name: `model`, which sees pictures, or `head`, which sees windows of what the model says of them.
        keras: where its Keras model lies in the folder of work.
        feeds: what it takes: pictures, uint8 (N, height, width, 3), or windows, float32 (N, T, …) of any length T.
        graph: where its OpenVINO graph lies there, with the weights beside it; needed for that target alone.
        temperature: by which the logits behind its probabilities are divided.
    """

    name: Literal["model", "head"]
    keras: str
    feeds: Literal["picture", "window"]
    graph: str = ""
    temperature: float = 1.0


@dataclass(frozen=True)
class Order:
    """What is to be written.

    Attributes:
        target: a target's name.
        networks: what to write.
        lengths: two numbers of frames, on which networks with a free length are compared.
    """

    target: str
    networks: tuple[Network, ...]
    lengths: tuple[int, int] = (5, 9)

    def save(self, folder: Path) -> None:
        """Write it down in a folder."""
        (folder / ORDER).write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Order":
        """Return the order that lies in a folder."""
        told = json.loads((folder / ORDER).read_text("utf-8"))
        networks = tuple(Network(**network) for network in told["networks"])
        return cls(told["target"], networks, tuple(told["lengths"]))


@dataclass(frozen=True)
class Port:
    """An input or output as the runtime names it; a free dimension is None."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class Written:
    """A network that was written and compared.

    Attributes:
        network: its name.
        inputs, outputs: as its runtime tells them.
        difference: the largest from Keras, over max(1, the largest number of that output).
    """

    network: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    difference: float


def save_answer(folder: Path, written: list[Written]) -> None:
    """Write down in a folder what was written."""
    (folder / ANSWER).write_text(json.dumps([asdict(each) for each in written]), "utf-8")


def load_answer(folder: Path) -> list[Written]:
    """Return what was written, as it stands in a folder."""
    told = json.loads((folder / ANSWER).read_text("utf-8"))
    return [Written(each["network"], _ports(each["inputs"]), _ports(each["outputs"]), each["difference"]) for each in told]


def _ports(told: list[dict[str, object]]) -> tuple[Port, ...]:
    return tuple(Port(str(port["name"]), tuple(port["shape"]), str(port["dtype"])) for port in told)  # type: ignore[arg-type]
