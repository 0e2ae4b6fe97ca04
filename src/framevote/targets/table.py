"""The targets: what each is called, what it is written as, and what runs it."""

import difflib
import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from framevote.errors import UsageError, missing_extra

_TENSORFLOW = ("tensorflow-cpu", "tensorflow")  # either brings the module


@dataclass(frozen=True)
class Target:
    """A runtime that networks are written for.

    Attributes:
        name: what it is called.
        suffix: of the file that the runtime opens.
        runtime: packages of which one is that runtime.
        extra: of framevote, with which it is installed.
        needs: modules that must be there, each with its package.
        companions: suffixes of the files that belong to it.
        folder: whether it is a folder.
    """

    name: str
    suffix: str
    runtime: tuple[str, ...]
    extra: str = "train"
    needs: tuple[tuple[str, str], ...] = ()
    companions: tuple[str, ...] = ()
    folder: bool = False

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of all that a network becomes; the first is what the runtime opens."""
        return (self.suffix, *self.companions)

    def version(self) -> str:
        """Return the runtime and its version."""
        for package in self.runtime:
            try:
                return f"{package} {version(package)}"
            except PackageNotFoundError:
                continue
        return self.runtime[0]

    def check_installed(self) -> None:
        """Refuse a target whose packages are absent.

        Raises:
            MissingExtra: with the line that installs them.
        """
        for module, package in (("keras", "keras"), ("tensorflow", "tensorflow-cpu"), *self.needs):
            if importlib.util.find_spec(module) is None:
                raise missing_extra(package, self.extra, f"Exporting to {self.name}")


_ONNX = (("onnx", "onnx"), ("tf2onnx", "tf2onnx"), ("onnxruntime", "onnxruntime"))

TARGETS = {
    target.name: target
    for target in (
        Target("onnx", ".onnx", ("onnxruntime",), "onnx", _ONNX),
        Target("openvino", ".xml", ("openvino",), companions=(".bin",)),
        Target("litert", ".tflite", ("ai-edge-litert",), "litert", (("ai_edge_litert", "ai-edge-litert"),)),
        Target("saved_model", ".saved_model", _TENSORFLOW, folder=True),
        Target("keras", ".keras", ("keras",)),
    )
}
"""Every target by its name."""


def find_target(name: str) -> Target:
    """Return the target of a name.

    Raises:
        UsageError: there is none such.
    """
    if name in TARGETS:
        return TARGETS[name]
    near = difflib.get_close_matches(name.lower(), TARGETS, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"There is no target {name!r}.{hint} Expected one of: {', '.join(TARGETS)}.")
