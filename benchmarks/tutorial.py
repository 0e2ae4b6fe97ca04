"""The baseline: video classification as the tutorials write it, one frame at a time.

The loop is that of Rosebrock, "Video classification with Keras and deep learning" (2019): OpenCV reads a frame, Keras predicts a
batch of one, a deque of 128 predictions is averaged, the winner is written on the frame with putText, and a VideoWriter appends
it to an .avi of motion JPEG. The network is framevote's own EfficientNet-Lite0, as the Keras model in its model file, so that only the
way around it differs; (x − 127) / 128 is the model's first layer.
"""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIZE = (224, 224)
LENGTH = 128


def tutorial(video: Path, output: Path, model: Any, labels: Sequence[str], limit: int | None = None) -> int:
    """Label a video and write it annotated; return the number of frames, at most `limit`."""
    predictions: deque[Any] = deque(maxlen=LENGTH)
    capture = cv2.VideoCapture(str(video))
    writer = None
    count = 0
    while limit is None or count < limit:
        grabbed, frame = capture.read()
        if not grabbed:
            break
        shown = frame.copy()
        image = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), SIZE)
        predictions.append(model.predict(np.expand_dims(image, axis=0), verbose=0)[0])
        label = labels[int(np.array(predictions).mean(axis=0).argmax())]
        cv2.putText(shown, f"activity: {label}", (35, 50), cv2.FONT_HERSHEY_SIMPLEX, 1.25, (0, 255, 0), 5)
        if writer is None:
            height, width = frame.shape[:2]
            writer = cv2.VideoWriter(str(output), cv2.VideoWriter.fourcc(*"MJPG"), 30, (width, height), True)
        writer.write(shown)
        count += 1
    if writer is not None:
        writer.release()
    capture.release()
    return count
