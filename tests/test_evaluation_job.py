"""The job and its command: made photos, clips and films whose truth is known, and real photos."""

import csv
import json

import made_items
import made_models
import numpy as np
import pytest
import typer
from made_items import film, photo
from typer.testing import CliRunner

from framevote.backbones.imagenet import imagenet_labels
from framevote.calibration import known_share
from framevote.classifier import load_model
from framevote.cli.evaluate import evaluate as command
from framevote.datasets import Dataset, Item, Problem
from framevote.errors import Error, InputError, UsageError
from framevote.evaluation import evaluate, job, looking
from framevote.model_file import Openness
from framevote.records import Scores

LABELS = ("red", "green", "blue")


@pytest.fixture
def model(tmp_path):
    return made_models.model_file(tmp_path / "colours.fvm")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def dataset(*items, labels=LABELS, **more):
    return Dataset(tuple(items), labels, layout="made", **more)


def test_photos_and_clips_are_answered_and_mistakes_found(model, pictures):
    clip = film(pictures / "clip.mp4", ("blue", 1), ("red", 2))  # red for two thirds of the frames
    items = [photo(pictures, "red"), photo(pictures, "green", "blue"), photo(pictures, "blue"), Item(clip, ("red",), "video")]
    told = evaluate(model, dataset(*items), frames=6)
    assert told.items == tuple(items)
    assert told.classification.figures["top1"].value == 0.75
    assert told.answers.hits.tolist() == [True, False, True, True]
    assert [(m.item, m.truth, m.answer) for m in told.mistakes()] == [(items[1], ("blue",), "green")]
    assert told.timelines is None  # the clip is the whole of its video
    assert (told.making.side, told.making.model, told.strangers, told.problems) == ("all", "colours", 0, ())
    assert repr(told) == "Evaluation('colours', 4 items, top-1 0.7500)"


def test_probabilities_are_the_mean_over_the_frames_of_each_item(model, pictures):
    clip = film(pictures / "clip.mp4", ("blue", 1), ("red", 3))
    items = [photo(pictures, "green"), Item(clip, ("red",), "video"), photo(pictures, "red")]
    classifier = load_model(model)
    told = evaluate(classifier, dataset(*items), frames=4)
    each = {name: _answer(colour) for name, colour in made_items.COLOURS.items()}
    expected = [each["green"], 0.25 * each["blue"] + 0.75 * each["red"], each["red"]]
    assert told.answers.probabilities == pytest.approx(np.array(expected), abs=0.02)


def _answer(colour):
    image = np.broadcast_to(np.array(colour, np.uint8), (1, 8, 8, 3))
    return made_models.expected(image)[0][0]


def test_what_cannot_be_read_is_listed_and_skipped(model, pictures):
    (pictures / "broken.png").write_bytes(b"no picture")
    items = [Item(pictures / "broken.png", ("red",)), photo(pictures, "red"), Item(pictures / "gone.mp4", ("red",), "video")]
    before = Problem("list.csv, line 7", "no label.")
    told = evaluate(model, dataset(*items, problems=(before,)))
    assert told.items == (items[1],)
    assert told.problems[0] == before
    assert [p.where for p in told.problems[1:]] == [str(items[0].path), str(items[2].path)]
    assert all(str(problem).count(problem.where) == 1 for problem in told.problems)
    with pytest.raises(InputError, match=r"None of the 2 items could be read\. First problem: .*broken\.png"):
        evaluate(model, dataset(items[0], items[2]))


def test_an_item_that_ends_in_the_middle_is_no_item(model, pictures, monkeypatch):
    whole = looking.frames_of

    def broken(item, view, most):
        yield from whole(item, view, most)
        if item is items[1]:
            raise InputError(f"{item.path}: damaged from here on.")

    items = [photo(pictures, "red"), photo(pictures, "green"), photo(pictures, "blue")]
    monkeypatch.setattr(looking, "frames_of", broken)
    read, problems = looking.look(load_model(model), items, 1, None)
    assert read.items == (items[0], items[2])
    assert read.probabilities.argmax(axis=1).tolist() == [0, 2]
    assert list(map(str, problems)) == [f"{items[1].path}: damaged from here on."]


def test_the_side_is_what_the_data_mark_as_test_or_all(model, pictures):
    marked = [photo(pictures, "red", side="train"), photo(pictures, "red", "blue", side="test"), photo(pictures, "green")]
    assert evaluate(model, dataset(*marked)).items == (marked[1],)
    assert evaluate(model, dataset(*marked)).making.side == "test"
    assert len(evaluate(model, dataset(*marked), side="all").items) == 3
    assert evaluate(model, dataset(*marked), side="train").items == (marked[0],)
    with pytest.raises(UsageError, match="no items as validation; they have 1 train, 1 test, 1 unmarked"):
        evaluate(model, dataset(*marked), side="validation")


def test_classes_that_the_model_has_never_seen_are_told_apart(model, pictures):
    items = [photo(pictures, "red"), photo(pictures, "grey"), photo(pictures, "blue"), photo(pictures, "red", "grey")]
    told = evaluate(model, dataset(*items, labels=(*LABELS, "grey")), unknown=0.6)
    assert (len(told.items), told.strangers) == (2, 2)
    assert (told.rejection.kept.value, told.rejection.accuracy.value) == (1.0, 1.0)
    assert told.rejection.caught.value == 0.5  # the grey one is; what looks red is not
    assert told.unknown.tolist() == [False, False]
    assert "does not know this class; what shows it is told apart, as never seen (items: 2)" in told.problems[0].reason
    assert evaluate(model, dataset(*items, labels=(*LABELS, "grey"))).rejection is None


def test_a_model_that_says_unknown_by_itself(model, pictures):
    """Its own unknown is what a timeline shows; the figures are those of its labels, as if it always chose one."""
    closed = load_model(model)
    plain = evaluate(closed, dataset(*[photo(pictures, name) for name in LABELS]))
    card = made_models.card(openness=Openness((-0.5, -0.4), (0.4, 0.4, 0.4), (0.8, 0.8, 0.8), 0.05))
    opened = _Opened(closed, card)
    items = [photo(pictures, name) for name in LABELS] + [photo(pictures, "grey", "stranger"), photo(pictures, "grey", "red")]
    told = evaluate(opened, dataset(*items, labels=(*LABELS, "stranger")))
    assert told.answers.labels == LABELS
    assert told.answers.probabilities[:3] == pytest.approx(plain.answers.probabilities, abs=1e-6)
    assert told.unknown.tolist() == [False, False, False, True]
    assert (told.rejection.openness, told.rejection.least, told.rejection.kept.value) == (True, 0, 0.75)
    assert (told.rejection.accuracy.value, told.rejection.caught.value) == (1.0, 1.0)
    stricter = evaluate(opened, dataset(*items, labels=(*LABELS, "stranger")), unknown=0.999)
    assert stricter.rejection.kept.value == 0.0
    assert np.isnan(stricter.rejection.accuracy.value)


class _Opened:
    """A classifier with a last column: what `known_share` of the card's openness leaves, the familiarity being high."""

    def __init__(self, closed, card):
        self.card, self.closed, self.labels, self.view = card, closed, (*card.labels, "unknown"), closed.view
        self.name, self.fingerprint, self.precision, self.device = closed.name, closed.fingerprint, closed.precision, closed.device

    sampling = None

    def clips(self, clips):
        for block in self.closed.stream(frame for clip in clips for frame in clip):
            known = known_share(self.card.openness, block.values, np.ones(len(block)))[:, None]
            values = np.concatenate([block.values * known, 1 - known], axis=1)
            yield Scores(values, block.times, block.durations, block.frames, self.labels)


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch):
    monkeypatch.setattr(job, "load_model", lambda model, **more: model if isinstance(model, _Opened) else load_model(model, **more))


@pytest.mark.parametrize(
    ("labels", "said"),
    [(("Red", "Green"), "Nearest: 'Red' and 'red'"), (("tennis", "golf"), r"2 labels \(tennis, golf\). Expected some of its 3: red")],
)
def test_no_shared_label_is_refused(model, pictures, labels, said):
    items = [photo(pictures, "red", labels[0]), photo(pictures, "green", labels[1])]
    with pytest.raises(UsageError, match=said):
        evaluate(model, dataset(*items, labels=labels))


def test_strangers_alone_are_refused_with_the_way_to_their_figure(model, pictures):
    opened = _Opened(load_model(model), made_models.card(openness=Openness((-0.5, -0.4), (0.4, 0.4, 0.4), (0.8, 0.8, 0.8), 0.05)))
    with pytest.raises(UsageError, match="told where they lie beside items of its classes"):
        evaluate(opened, dataset(photo(pictures, "grey", "tennis"), labels=("tennis",)))


def test_a_backbone_without_labels_is_refused(model, pictures, monkeypatch):
    backbone = _Opened(load_model(model), made_models.card(labels=()))
    with pytest.raises(UsageError, match="is a backbone: it has no labels"):
        evaluate(backbone, dataset(photo(pictures, "red")))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"side": "left"}, "side is one of auto, all"),
        ({"frames": 0}, "at least 1. Received: 0"),
        ({"unknown": 1.5}, "from 0 to 1. Received: 1.5"),
        ({"smoother": "Nothing()"}, "no smoother named"),
    ],
)
def test_wrong_arguments_are_refused_before_the_work(model, pictures, options, said):
    with pytest.raises(UsageError, match=said):
        evaluate(model, dataset(photo(pictures, "red")), **options)
    with pytest.raises(InputError, match="hold no items"):
        evaluate(model, dataset())


def test_several_labels(model, pictures):
    items = [
        Item(photo(pictures, "red").path, ("red", "green")),
        Item(photo(pictures, "blue").path, ("blue",)),
        Item(photo(pictures, "grey").path, ()),
        Item(photo(pictures, "red", name="odd.png").path, ("blue", "grey")),
    ]
    told = evaluate(model, dataset(*items, labels=(*LABELS, "grey"), several=True))
    assert told.answers.several
    assert told.answers.targets.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert told.classification.figures["top1"].value == pytest.approx(2 / 3)
    assert told.classification.confusion is None
    assert {m.truth for m in told.mistakes()} == {("blue",), ("unknown",)}


def test_videos_in_pieces_are_labelled_as_a_whole(model, pictures):
    good = film(pictures / "good.mp4", ("red", 2), ("blue", 2))
    bad = film(pictures / "bad.mp4", ("red", 2), ("green", 2))
    items = [
        Item(good, ("red",), "video", 0, 2),
        Item(good, ("blue",), "video", 2, None),
        Item(bad, ("red",), "video", 0, 2),
        Item(bad, ("blue",), "video", 2, 3.5),
    ]
    told = evaluate(model, dataset(*items))
    assert [video.path for video in told.videos] == [bad, good]
    assert [video.frame_accuracy for video in told.videos] == pytest.approx([2 / 3.5, 1.0])
    assert told.timelines.frame_accuracy == pytest.approx(6 / 7.5)
    assert told.timelines.seconds == pytest.approx(7.5)
    assert told.timelines.f1[50] == pytest.approx(3 / 4)
    assert told.timelines.edit == pytest.approx(3 / 4)
    assert told.timelines.delay.never == pytest.approx(1 / 4)
    assert told.classification.figures["top1"].value == 0.75
    assert [s.label for s in told.videos[1].truth] == ["red", "blue"]


def test_the_same_seed_gives_the_same_figures_and_progress_is_told(model, pictures):
    items = [photo(pictures, shown, "red", group=shown) for shown in ("red", "green", "red", "blue") * 10]
    heard = []
    one = evaluate(model, dataset(*items), seed=3, progress=lambda done, frames: heard.append((done, frames)))
    assert one.classification.figures == evaluate(model, dataset(*items), seed=3).classification.figures
    assert one.classification.figures["top1"].low == 0.0  # three groups: some draw has no red
    assert heard[-1] == (40, 40)
    assert heard == sorted(heard)


app = typer.Typer()
app.command()(command)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folders(pictures):
    for name in LABELS:
        (pictures / name).mkdir()
        for number in range(4):
            photo(pictures / name, name, name=f"{number}.png")
    photo(pictures / "red", "blue", name="odd.png")
    return pictures


def test_the_command_prints_a_table_and_writes_a_report(model, folders, tmp_path):
    done = run(model, folders, "-o", tmp_path / "report", "--seed", 4)
    assert (done.exit_code, done.exception) == (0, None)
    assert "92.3 %" in done.stdout
    assert "of 13 photos are named rightly" in done.stdout
    assert "Most often mistaken: red → blue (1)." in done.stdout
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["index.html", "metrics.json"]
    again = run(model, folders, "-o", tmp_path / "report")
    assert isinstance(again.exception, UsageError)
    assert "exists" in str(again.exception)
    (tmp_path / "file").write_text("no folder")
    assert isinstance(run(model, tmp_path / "nowhere", "-o", tmp_path / "file" / "report").exception, UsageError)
    assert run(model, folders, "-o", tmp_path / "report", "--overwrite", "--quiet").stdout == ""


def test_the_command_prints_json_alone_and_problems_to_stderr(model, folders):
    (folders / "red" / "torn.png").write_bytes(b"\x89PNG no more")
    done = run(model, folders, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["format"], told["data"]["items"]) == (1, "framevote.evaluation", 13)
    quiet = run(model, folders, "-q")
    assert (quiet.exit_code, quiet.stdout) == (1, "")
    for said in (done.stderr, quiet.stderr):
        assert said.startswith(f"framevote: Left out: {folders / 'red' / 'torn.png'} is no photo that can be read.")
        assert (said.count("\n"), said.count("torn.png")) == (1, 1)


def test_a_class_that_the_model_does_not_know_is_no_failure(model, folders):
    (folders / "grey").mkdir()
    photo(folders / "grey", "grey", name="0.png")
    done = run(model, folders)
    assert done.exit_code == 0
    assert "framevote: grey: the model colours does not know this class" in done.stderr


def test_the_command_raises_what_is_wrong(model, tmp_path):
    done = run(model, tmp_path / "nowhere")
    assert isinstance(done.exception, Error)
    assert run(model).exit_code == 2
    assert run(model, tmp_path, "--side", "left").exit_code == 2


def test_real_photos_of_imagenet(imagenet, shared, tmp_path):
    labels, folder = imagenet_labels(), shared / "imagenet200"
    with (folder / "labels.csv").open() as listed, (tmp_path / "list.csv").open("w", newline="") as manifest:
        writer = csv.writer(manifest)
        writer.writerow(["path", "label"])
        writer.writerows([folder / row["file"], labels[int(row["class_index"])]] for row in csv.DictReader(listed))
    told = evaluate(imagenet, tmp_path / "list.csv", side="all")
    assert len(told.items) == 200
    assert told.classification.figures["top1"].value >= 0.84
    assert told.classification.figures["top5"].value >= 0.96
    figure = told.classification.figures["top1"]
    assert figure.low < figure.value < figure.high
