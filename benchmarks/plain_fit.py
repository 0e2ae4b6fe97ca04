"""The yardstick of fine-tuning: plain Keras `fit` over `image_dataset_from_directory`, as its guides show it.

Lite0 with ImageNet's weights and a new head; the same layers frozen, the same batch, the same optimiser and the same kinds of
augmentation, Keras's own layers, mapped over the data set beside the training (the quicker of the two ways that its guide names).
"""

import time
from functools import cache
from pathlib import Path
from typing import Any

BATCH = 32


def plain_fit(folder: Path, layers: int, epochs: int, augmented: bool) -> tuple[float, int]:
    """Fit some epochs; return seconds and pictures. The model is built and traced once and goes on learning."""
    data, pictures = _data(folder, augmented)
    model = _model(layers, len(list(folder.iterdir())))
    begun = time.perf_counter()
    model.fit(data, epochs=epochs, verbose=0)
    return time.perf_counter() - begun, pictures * epochs


@cache
def _data(folder: Path, augmented: bool) -> tuple[Any, int]:
    import keras  # noqa: PLC0415 - heavy
    import tensorflow as tf  # noqa: PLC0415 - heavy

    data = keras.utils.image_dataset_from_directory(
        folder, label_mode="categorical", image_size=(224, 224), batch_size=BATCH, crop_to_aspect_ratio=True, seed=0, verbose=False
    )
    pictures = len(data.file_paths)
    if augmented:
        layers = keras.layers
        steps = keras.Sequential(
            [
                layers.RandomFlip("horizontal"),
                layers.RandomRotation(5 / 360),
                layers.RandomZoom((-0.3, 0.0)),
                layers.RandomTranslation(0.1, 0.1),
                layers.RandomBrightness(0.15),
                layers.RandomContrast(0.2),
            ]
        )
        data = data.map(lambda x, y: (steps(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    return data.map(lambda x, y: (tf.cast(x, tf.uint8), y)).prefetch(tf.data.AUTOTUNE), pictures


@cache
def _model(layers: int, classes: int) -> Any:
    import keras  # noqa: PLC0415 - heavy

    from framevote.backbones.lite0 import efficientnet_lite0  # noqa: PLC0415 - heavy

    backbone = efficientnet_lite0(include_top=False, pooling="avg")
    for place, layer in enumerate(backbone.layers):
        layer.trainable = place >= len(backbone.layers) - layers and not isinstance(layer, keras.layers.BatchNormalization)
    model = keras.Model(backbone.input, keras.layers.Dense(classes, activation="softmax")(backbone.output))
    model.compile(keras.optimizers.AdamW(1e-5), "categorical_crossentropy", metrics=["accuracy"])
    return model
