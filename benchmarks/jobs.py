"""What a worker process does: each job works with a model that stays loaded, and tells what it took, in lines of JSON.

Jobs run in processes of their own, so that the processor seconds and the memory of one do not count for another.
"""

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

import framevote
from benchmarks.agreement import agree
from benchmarks.archive import add_library, library_alone
from benchmarks.archive_ray import add_on_ray
from benchmarks.encoders import encode_rows, make_codebooks
from benchmarks.heads import label_by, make_models
from benchmarks.long import make_small_model
from benchmarks.measuring import OUT, Usage, told, used
from benchmarks.motion import describe_motion
from benchmarks.strategies import look
from benchmarks.training import fine_tune, fit_head, keras_fit
from framevote.classifier import imagenet_path
from framevote.model_file import read_model_file
from framevote.parts import DEFAULT_SMOOTHER, build
from framevote.records import Scores
from framevote.runtime import open_runtime
from framevote.video import open_video
from framevote.writers.annotated import AnnotatedVideo

Told = dict[str, Any]

# Frames that are held in memory while an encoder is measured: 720p takes 1.4 MB each.
_HELD = 240


def load(precision: str = "auto", device: str = "cpu") -> Told:
    """Load framevote's model; what a user waits for before the first frame."""
    usage = used(lambda: len(_classifier(precision, device).labels) and 0)
    return {"usage": told(usage), "precision": _classifier(precision, device).precision}


def load_keras() -> Told:
    """Load the same model in Keras."""
    return {"usage": told(used(lambda: int(_keras() is None)))}


def tutorial(path: str, limit: int | None = None) -> Told:
    """Run the tutorial's loop on the first `limit` frames."""
    from benchmarks.tutorial import tutorial as loop  # noqa: PLC0415 - heavy: it imports OpenCV

    labels = _labels()
    return {"usage": told(used(lambda: loop(Path(path), OUT / "tutorial.avi", _keras(), labels, limit)))}


def label(
    path: str, output: str | None = None, precision: str = "auto", device: str = "cpu", smoother: str | None = None, **options: Any
) -> Told:
    """Do framevote's main job, and write the annotated video where there is an output; options are the writer's."""
    model, timelines = _classifier(precision, device), []

    def job() -> int:
        timeline = framevote.label(path, model, smoother=smoother or DEFAULT_SMOOTHER)
        if output:
            framevote.write(timeline, output, overwrite=True, **options)
        timelines.append(timeline)
        return timeline.frames

    usage, (timeline,) = used(job), timelines
    changes = {"raw": timeline.flicker.raw, "steady": timeline.flicker.steady}
    return {"usage": told(usage), **changes, "segments": len(timeline.segments), "seconds": timeline.duration}


def decode_scale(path: str) -> Told:
    """Decode a video and bring every frame to the network's size: nothing else."""
    return {"usage": told(used(lambda: sum(1 for _ in open_video(path, view=_file().card.view))))}


def decode(path: str) -> Told:
    """Decode a video as the annotating pass does: pictures in the codec's own format."""
    return {"usage": told(used(lambda: sum(1 for _ in open_video(path).pictures())))}


def network(path: str, precision: str = "auto") -> Told:
    """Carry a video's frames, scaled and in memory already, through the runtime."""
    images = [frame.image for frame in open_video(path, view=_file().card.view)]
    time.sleep(0.05)
    runtime = _runtime(precision)
    return {"usage": told(used(lambda: sum(len(answer[0]) for answer in runtime.infer(images)))), "precision": runtime.precision}


def encode(path: str, preset: str | None = None) -> Told:
    """Encode a video's pictures, in memory already, as the annotated video does; stretch by stretch, each to its end."""
    pictures = (picture.frame for picture in open_video(path).pictures())
    total = Usage(0.0, 0.0)
    while frames := list(islice(pictures, _HELD)):
        for frame in frames:
            frame.make_writable()  # the decoder's own memory is given back
        time.sleep(0.05)  # the decoder's threads finish what they have begun
        total += used(lambda frames=frames: _encoded(frames, preset or AnnotatedVideo().preset))  # type: ignore[misc]
    return {"usage": told(total)}


def vote(smoother: str, rows: int, labels: int) -> Told:
    """Smooth made scores, in blocks such as the classifier gives."""
    part, random = build("smoother", smoother), np.random.default_rng(0)
    values = random.dirichlet(np.full(labels, 0.01), rows).astype(np.float32)
    names = tuple(f"label {n}" for n in range(labels))
    whole = Scores(values, np.arange(rows) / 25, np.full(rows, 1 / 25), np.ones(rows), names)
    blocks = [whole[at : at + 32] for at in range(0, rows, 32)]
    return {"usage": told(used(lambda: sum(len(block) for block in part.stream(blocks))))}


def calibrate() -> Told:
    """Multiply matrices on every core: how fast the machine is just now, whatever framevote does."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    a @ a
    usage = used(lambda: len([a @ a for _ in range(10)]))
    return {"usage": told(usage), "gflops": 2 * 2048**3 / 1e9 * usage.rate}


_JOBS = (
    look,
    load,
    load_keras,
    tutorial,
    label,
    decode_scale,
    decode,
    network,
    encode,
    vote,
    calibrate,
    fine_tune,
    keras_fit,
    fit_head,
    agree,
    make_models,
    make_small_model,
    describe_motion,
    encode_rows,
    make_codebooks,
    label_by,
    add_library,
    add_on_ray,
    library_alone,
)
JOBS: dict[str, Callable[..., Told]] = {job.__name__: job for job in _JOBS}


def main() -> None:
    """Answer jobs, a line of JSON each, until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = JOBS[asked["job"]](**asked["arguments"])
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _encoded(frames: list[Any], preset: str) -> int:
    with av.open(str(OUT / "encoded.h264"), "w", format="h264") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": preset, "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.codec_context.time_base = Fraction(1, 25)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 25), 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return len(frames)


@cache
def _file() -> Any:
    return read_model_file(imagenet_path())  # `python -m benchmarks` has had it built


@cache
def _labels() -> tuple[str, ...]:
    return tuple(_file().card.labels)


@cache
def _classifier(precision: str, device: str) -> Any:
    return framevote.load_model(precision=precision, device=device)  # type: ignore[arg-type]


@cache
def _runtime(precision: str) -> Any:
    return open_runtime(_file(), precision)  # type: ignore[arg-type]


@cache
def _keras() -> Any:
    import keras  # noqa: PLC0415 - heavy

    with tempfile.TemporaryDirectory() as folder:
        whole = keras.models.load_model(_file().extract_keras(Path(folder)), compile=False)
    return keras.Model(whole.input, whole.output["probabilities"])


if __name__ == "__main__":
    main()
