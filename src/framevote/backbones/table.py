"""The networks of `keras.applications` as a table, so that they can be listed and named without loading Keras."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

Mode = Literal["tf", "torch", "caffe", "inside"]


class Network(NamedTuple):
    """One network of `keras.applications`.

    Attributes:
        name: its name there.
        size: pixels of a side of the pictures that it was made for.
        parameters: millions of them up to the embedding, without ImageNet's top and without running means.
        mode: what its pictures go through first; see `framevote.backbones.pictures`.
        file: how Keras calls the file with its ImageNet weights.
        source: who published it, and when.
        least: the smallest side that it works with.
        alphas: the widths that ImageNet weights are published for, where the width can be chosen.
    """

    name: str
    size: int
    parameters: float
    mode: Mode
    file: str
    source: str
    least: int = 32
    alphas: tuple[float, ...] = ()

    @property
    def summary(self) -> str:
        """One line on the network."""
        return summary(self.parameters, self.size, self.source)


def summary(parameters: float, size: int, source: str) -> str:
    """Return the one line that says how large a network is, what it sees, and who published it."""
    return f"{parameters:.1f} million parameters, {size}×{size} pixels ({source})."


_ORDERED = "_weights_tf_dim_ordering_tf_kernels_notop.h5"

NETWORKS = (
    Network("Xception", 299, 20.8, "tf", "xception" + _ORDERED, "Chollet, 2017", least=71),
    Network("VGG16", 224, 14.7, "caffe", "vgg16" + _ORDERED, "Simonyan and Zisserman, 2015"),
    Network("VGG19", 224, 20.0, "caffe", "vgg19" + _ORDERED, "Simonyan and Zisserman, 2015"),
    Network("ResNet50", 224, 23.5, "caffe", "resnet50" + _ORDERED, "He et al., 2016"),
    Network("ResNet101", 224, 42.6, "caffe", "resnet101" + _ORDERED, "He et al., 2016"),
    Network("ResNet152", 224, 58.2, "caffe", "resnet152" + _ORDERED, "He et al., 2016"),
    Network("ResNet50V2", 224, 23.5, "tf", "resnet50v2" + _ORDERED, "He et al., 2016, identity mappings"),
    Network("ResNet101V2", 224, 42.5, "tf", "resnet101v2" + _ORDERED, "He et al., 2016, identity mappings"),
    Network("ResNet152V2", 224, 58.2, "tf", "resnet152v2" + _ORDERED, "He et al., 2016, identity mappings"),
    Network("InceptionV3", 299, 21.8, "tf", "inception_v3" + _ORDERED, "Szegedy et al., 2016", least=75),
    Network("InceptionResNetV2", 299, 54.3, "tf", "inception_resnet_v2" + _ORDERED, "Szegedy et al., 2017", least=75),
    Network("MobileNet", 224, 3.2, "tf", "mobilenet_{width}_{size}_tf_no_top.h5", "Howard et al., 2017", alphas=(0.25, 0.5, 0.75, 1.0)),
    Network(
        "MobileNetV2",
        224,
        2.2,
        "tf",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}_no_top.h5",
        "Sandler et al., 2018",
        alphas=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    ),
    Network(
        "MobileNetV3Small",
        224,
        0.9,
        "inside",
        "weights_mobilenet_v3_small_224_{alpha}_float_no_top_v2.h5",
        "Howard et al., 2019",
        alphas=(0.75, 1.0),
    ),
    Network(
        "MobileNetV3Large",
        224,
        3.0,
        "inside",
        "weights_mobilenet_v3_large_224_{alpha}_float_no_top_v2.h5",
        "Howard et al., 2019",
        alphas=(0.75, 1.0),
    ),
    Network("DenseNet121", 224, 7.0, "torch", "densenet121" + _ORDERED, "Huang et al., 2017"),
    Network("DenseNet169", 224, 12.5, "torch", "densenet169" + _ORDERED, "Huang et al., 2017"),
    Network("DenseNet201", 224, 18.1, "torch", "densenet201" + _ORDERED, "Huang et al., 2017"),
    Network("NASNetMobile", 224, 4.2, "tf", "nasnet_mobile_no_top.h5", "Zoph et al., 2018"),
    Network("NASNetLarge", 331, 84.7, "tf", "nasnet_large_no_top.h5", "Zoph et al., 2018"),
    Network("EfficientNetB0", 224, 4.0, "inside", "efficientnetb0_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetB1", 240, 6.5, "inside", "efficientnetb1_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetB2", 260, 7.7, "inside", "efficientnetb2_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetB3", 300, 10.7, "inside", "efficientnetb3_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetB4", 380, 17.5, "inside", "efficientnetb4_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetB5", 456, 28.3, "inside", "efficientnetb5_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetB6", 528, 40.7, "inside", "efficientnetb6_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetB7", 600, 63.8, "inside", "efficientnetb7_notop.h5", "Tan and Le, 2019"),
    Network("EfficientNetV2B0", 224, 5.9, "inside", "efficientnetv2-b0_notop.h5", "Tan and Le, 2021"),
    Network("EfficientNetV2B1", 240, 6.9, "inside", "efficientnetv2-b1_notop.h5", "Tan and Le, 2021"),
    Network("EfficientNetV2B2", 260, 8.7, "inside", "efficientnetv2-b2_notop.h5", "Tan and Le, 2021"),
    Network("EfficientNetV2B3", 300, 12.8, "inside", "efficientnetv2-b3_notop.h5", "Tan and Le, 2021"),
    Network("EfficientNetV2S", 384, 20.2, "inside", "efficientnetv2-s_notop.h5", "Tan and Le, 2021"),
    Network("EfficientNetV2M", 480, 52.9, "inside", "efficientnetv2-m_notop.h5", "Tan and Le, 2021"),
    Network("EfficientNetV2L", 480, 117.2, "inside", "efficientnetv2-l_notop.h5", "Tan and Le, 2021"),
    Network("ConvNeXtTiny", 224, 27.8, "inside", "convnext_tiny_notop.h5", "Liu et al., 2022"),
    Network("ConvNeXtSmall", 224, 49.5, "inside", "convnext_small_notop.h5", "Liu et al., 2022"),
    Network("ConvNeXtBase", 224, 87.6, "inside", "convnext_base_notop.h5", "Liu et al., 2022"),
    Network("ConvNeXtLarge", 224, 196.2, "inside", "convnext_large_notop.h5", "Liu et al., 2022"),
    Network("ConvNeXtXLarge", 224, 348.1, "inside", "convnext_xlarge_notop.h5", "Liu et al., 2022"),
)

BY_NAME = {network.name: network for network in NETWORKS}

_SIZES = {"MobileNet": (128, 160, 192, 224), "MobileNetV2": (96, 128, 160, 192, 224)}


def weights_file(network: Network, size: int, alpha: float = 1.0) -> str:
    """Return the name of the file that Keras takes ImageNet's weights from."""
    if network.name in _SIZES:  # trained at several sizes; 224 serves all others
        size = size if size in _SIZES[network.name] else 224
    width = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0"}.get(alpha, "2_5")
    return network.file.format(width=width, alpha=float(alpha), size=size)


def weights_folder() -> Path:
    """Return the folder where Keras keeps weights that it fetched: models in KERAS_HOME, or in ~/.keras."""
    told = os.environ.get("KERAS_HOME")
    home = Path(told).expanduser() if told else Path.home() / ".keras"
    return home / "models"
