import contextlib
import json
import threading
import zipfile
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_models import LABELS, card, graph_folder, model_file, rewritten

from framevote.classifier import load_model
from framevote.errors import ModelError, OutputError, PartError
from framevote.model_file import (
    CARD,
    GRAPH,
    HEAD_GRAPH,
    HEAD_KERAS,
    HEAD_WEIGHTS,
    KERAS,
    WEIGHTS,
    Card,
    Openness,
    Vote,
    read_model_file,
    write_model_file,
    write_vote,
)
from framevote.records import Sampling, View


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    return model_file(tmp_path_factory.mktemp("models") / "colours.fvm")


def test_a_model_file_gives_back_what_was_put_in(tmp_path):
    training = {"photos": 20, "split": [0.8, 0.2]}
    told = card(view=View(8, 8, "letterbox"), temperature=1.5, training=training, frames=16, metrics={"ece": 0.01}, versions={"keras": "3"})
    folder = graph_folder(tmp_path / "parts")
    write_model_file(tmp_path / "a.fvm", told, folder)
    file = read_model_file(tmp_path / "a.fvm")
    assert file.card == told
    assert file.graph == (folder / GRAPH).read_bytes()
    assert file.weights == (folder / WEIGHTS).read_bytes()
    assert file.extract_keras(tmp_path).read_bytes() == (folder / KERAS).read_bytes()
    assert repr(file) == "ModelFile('a.fvm', colours, 3 labels)"


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
metrics = st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False) | names | st.integers(-(2**60), 2**60), max_size=4)


smoothers = st.sampled_from(["Viterbi()", "Viterbi(stay=0.9)", "RollingMean(seconds=0.25, centred=True)", "Exponential(seconds=2)"])
votes = st.builds(Vote, smoothers, st.floats(0, 1), st.floats(0, 1e300), st.floats(0, 1))


@st.composite
def cards(draw: st.DrawFn) -> Card:
    labels = tuple(draw(st.lists(names.filter(lambda name: name != "unknown"), min_size=1, max_size=8, unique=True)))
    shares, several = st.tuples(*[st.floats(0, 0.4)] * len(labels)), draw(st.booleans())
    openness = None
    if not several and draw(st.booleans()):
        doubtful = draw(shares)
        openness = Openness((0.25, 0.5), doubtful, tuple(each + 0.5 for each in doubtful), draw(st.floats(0, 1)))
    return card(
        labels=labels,
        name=draw(names),
        temperature=draw(st.floats(1e-300, 1e300)),
        several=several,
        thresholds=draw(shares) if several else (),
        openness=openness,
        frames=draw(st.integers(0, 1000)),
        training=draw(st.none() | metrics),
        metrics=draw(metrics),
        versions=draw(st.dictionaries(names, names, max_size=3)),
        vote=draw(st.none() | votes),
    )


@given(told=cards())
@settings(max_examples=40, deadline=None)
def test_a_card_survives_in_any_script(tmp_path_factory, colours, told):
    path = tmp_path_factory.mktemp("cards") / "a.fvm"
    write_model_file(path, told, colours.parent / "colours.parts")
    assert read_model_file(path).card == told


def test_a_file_of_the_format_before_is_read(tmp_path, colours):
    new = ("several", "thresholds", "openness", "frames", "metrics", "vote")
    told = {name: value for name, value in asdict(card(temperature=1.5)).items() if name not in new}
    old = rewritten(colours, tmp_path / "a.fvm", {CARD: json.dumps({"format": 1, **told}).encode()})
    assert read_model_file(old).card == card(temperature=1.5)


def test_the_fingerprint_names_the_content(tmp_path, colours):
    first = read_model_file(colours).fingerprint
    again, other = tmp_path / "again.fvm", tmp_path / "other.fvm"
    write_model_file(again, card(), colours.parent / "colours.parts")
    write_model_file(other, card(labels=("red", "green", "violet")), colours.parent / "colours.parts")
    assert len(first) == 12
    assert int(first, 16) >= 0
    assert read_model_file(again).fingerprint == first
    assert read_model_file(other).fingerprint != first


TUNED = Vote("RollingMean(seconds=2, centred=True)", hysteresis=0.1, shortest=0.5)


def test_the_fingerprint_is_of_what_decides_the_scores(tmp_path, colours):
    beside = {"training": {"photos": 3}, "metrics": {"ece": 0.1}, "versions": {"keras": "3"}, "vote": asdict(TUNED), "format": 2}
    same = rewritten(colours, tmp_path / "a.fvm", {CARD: changed(**beside)})
    assert read_model_file(same).fingerprint == read_model_file(colours).fingerprint
    for name, changes in {"temperature": {"temperature": 2}, "view": {"view": {"width": 8, "height": 9}}, "new": {"mood": "good"}}.items():
        other = rewritten(colours, tmp_path / f"{name}.fvm", {CARD: changed(**changes)})
        assert read_model_file(other).fingerprint != read_model_file(colours).fingerprint


def test_a_vote_is_stored_and_all_else_stays(tmp_path, colours):
    path = rewritten(colours, tmp_path / "a.fvm", {CARD: changed(mood="gut, \u4f60, \ud800")}, {"notes/more.txt": b"more"})
    before, old = _members(path), read_model_file(path)
    path.chmod(0o640)
    write_vote(path, TUNED)
    after, new = _members(path), read_model_file(path)
    assert new.card == replace(old.card, vote=TUNED)
    assert new.fingerprint == old.fingerprint
    assert list(after) == list(before)
    assert {name: after[name] for name in after if name != CARD} == {name: before[name] for name in before if name != CARD}
    assert json.loads(after[CARD][1]) == {**json.loads(before[CARD][1]), "vote": asdict(TUNED)}
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["a.fvm"]
    write_vote(path, None)
    assert _members(path) != before  # spelled anew
    assert read_model_file(path).card == old.card


def _members(path):
    """Every member's entry and its bytes, in order."""
    with zipfile.ZipFile(path) as archive:
        return {
            info.filename: ((info.date_time, info.compress_type, info.external_attr), archive.read(info)) for info in archive.infolist()
        }


def test_a_vote_is_written_whole_or_not_at_all(tmp_path, colours):
    damaged = rewritten(colours, tmp_path / "a.fvm", {})
    damaged.write_bytes(damaged.read_bytes().replace(b"model.weights.h5", b"model.weights.h6", 1))
    content = damaged.read_bytes()
    with pytest.raises(ModelError, match=r"a\.fvm: model\.keras is damaged"):
        write_vote(damaged, TUNED)
    assert damaged.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["a.fvm"]


def test_a_file_for_reading_only_keeps_its_vote(tmp_path, colours):
    path = rewritten(colours, tmp_path / "a.fvm", {})
    path.chmod(0o444)
    content = path.read_bytes()
    with pytest.raises(OutputError, match=r"a\.fvm is for reading only\. Copy it and take the copy, or .* chmod u\+w"):
        write_vote(path, TUNED)
    assert path.read_bytes() == content
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        write_vote(tmp_path / "none.fvm", TUNED)


@pytest.mark.parametrize("wrong", [{"smoother": None}, {"smoother": "EveryFrame()"}, {"hysteresis": -0.1}, {"shortest": float("nan")}])
def test_a_vote_that_does_not_fit_is_refused(wrong):
    with pytest.raises(PartError):
        Vote(**{**VOTE, **wrong})


def test_a_model_file_is_a_stored_zip_that_any_program_opens(colours):
    with zipfile.ZipFile(colours) as archive:
        assert archive.testzip() is None
        assert {i.filename: i.compress_type for i in archive.infolist()} == dict.fromkeys((CARD, GRAPH, WEIGHTS, KERAS), zipfile.ZIP_STORED)
        told = json.loads(archive.read(CARD))
    assert (told["format"], tuple(told["labels"])) == (4, LABELS)


def test_what_is_no_model_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"none\.fvm cannot be read: No such file"):
        read_model_file(tmp_path / "none.fvm")
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        read_model_file(tmp_path)
    for content in (b"", b"text", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)):
        (tmp_path / "a.fvm").write_bytes(content)
        with pytest.raises(ModelError, match=r"a\.fvm (is no model file, or is damaged|should hold model\.keras once)"):
            read_model_file(tmp_path / "a.fvm")


@given(at=st.integers(0, 10**9), flip=st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_a_damaged_model_file_is_refused_or_harmless(tmp_path_factory, colours, at, flip):
    whole = colours.read_bytes()
    at %= len(whole)
    path = tmp_path_factory.mktemp("damaged") / "a.fvm"
    path.write_bytes(whole[:at])
    with pytest.raises(ModelError):
        read_model_file(path)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
    with contextlib.suppress(ModelError):  # a flipped date or Keras byte changes nothing that is read here
        assert read_model_file(path).fingerprint == read_model_file(colours).fingerprint


def changed(**changes) -> bytes:
    return json.dumps({"format": 3, **asdict(card()), **changes}).encode()


OPEN = {"familiar": [0.4, 0.6], "doubtful": [0.4, 0.4, 0.4], "sure": [0.8, 0.8, 0.8], "loss": 0.05}
VOTE = {"smoother": "Viterbi()", "hysteresis": 0.1, "shortest": 1.0, "unknown": 0.0}
INFINITE = json.loads("1e999")

SAMPLING = {"frames": 16, "seconds": 2.0, "causal": False}

BAD_CARDS = {
    "no JSON": b"{",
    "no object": b"[1]",
    "not even UTF-8": b"\xff\xfe\x00",
    "nested without end": b"[" * 100_000,
    "no format": json.dumps(asdict(card())).encode(),
    "a format that is no number": changed(format="new"),
    "a format that is a text": changed(format="3"),
    "a format of true": changed(format=True),
    "a format without end": changed(format=INFINITE),
    "labels missing": json.dumps({k: v for k, v in json.loads(changed()).items() if k != "labels"}).encode(),
    "labels alike": changed(labels=["a", "a", "b"]),
    "a label that is no text": changed(labels=["a", "b", 3]),
    "labels that are a number": changed(labels=3),
    "no view": changed(view=None),
    "a view of nothing": changed(view={"width": 0, "height": 8}),
    "a view with a size in words": changed(view={"width": "8", "height": 8}),
    "an unknown fit": changed(view={"width": 8, "height": 8, "fit": "stretch"}),
    "a temperature of nothing": changed(temperature=0),
    "a temperature that is no number": changed(temperature=float("nan")),
    "a temperature without end": changed(temperature=INFINITE),
    "a temperature of 400 digits": changed(temperature=10**400),
    "a temperature of true": changed(temperature=True),
    "a crop in words": changed(view={"width": 8, "height": 8, "crop": "1"}),
    "a view larger than any picture": changed(view={"width": 2**40, "height": 8}),
    "several that is a number": changed(several=1),
    "thresholds of one label": changed(several=True, thresholds=[0.5]),
    "thresholds in words": changed(several=True, thresholds=["0.5"] * 3),
    "thresholds that are true": changed(several=True, thresholds=[True] * 3),
    "thresholds that are no numbers": changed(several=True, thresholds=[float("nan")] * 3),
    "thresholds of 400 digits": changed(several=True, thresholds=[10**400] * 3),
    "thresholds without several labels": changed(thresholds=[0.5] * 3),
    "openness without values": changed(openness={**OPEN, "doubtful": [], "sure": []}),
    "openness of two labels": changed(openness={**OPEN, "doubtful": [0.4] * 2, "sure": [0.8] * 2}),
    "openness of different lengths": changed(openness={**OPEN, "sure": [0.8] * 2}),
    "openness of one similarity": changed(openness={**OPEN, "familiar": [0.4]}),
    "openness whose half is above its full": changed(openness={**OPEN, "familiar": [0.6, 0.4]}),
    "openness that is no number": changed(openness={**OPEN, "familiar": [float("nan"), 1]}),
    "openness of true": changed(openness={**OPEN, "loss": True}),
    "openness in words": changed(openness={**OPEN, "sure": "888"}),
    "openness that is a text": changed(openness="wide"),
    "openness of half its fields": changed(openness={"loss": 0.05}),
    "openness of several labels": changed(openness=OPEN, several=True),
    "openness beside a label unknown": changed(openness=OPEN, labels=["a", "b", "unknown"]),
    "metrics that are a list": changed(metrics=[1]),
    "metrics with no number": changed(metrics={"ece": float("nan")}),
    "frames below nothing": changed(frames=-1),
    "frames of true": changed(frames=True),
    "versions that are a number": changed(versions=1),
    "training that is a text": changed(training="much"),
    "a vote that is no smoother": changed(vote={**VOTE, "smoother": "Loud()"}),
    "a vote that is another part": changed(vote={**VOTE, "smoother": "Cut()"}),
    "a vote that is a program": changed(vote={**VOTE, "smoother": "__import__('os').abort()"}),
    "a vote nested without end": changed(vote={**VOTE, "smoother": "(" * 100_000}),
    "a vote that is a number": changed(vote={**VOTE, "smoother": 3}),
    "a vote over no time": changed(vote={**VOTE, "smoother": "RollingMean(seconds=0)"}),
    "a vote with a hysteresis that is no number": changed(vote={**VOTE, "hysteresis": float("nan")}),
    "a vote with a hysteresis of true": changed(vote={**VOTE, "hysteresis": True}),
    "a vote with a shortest segment below nothing": changed(vote={**VOTE, "shortest": -1}),
    "a vote with a shortest segment in words": changed(vote={**VOTE, "shortest": "1s"}),
    "a vote with an unknown above all": changed(vote={**VOTE, "unknown": 2}),
    "a vote of half its fields": changed(vote={"smoother": "Viterbi()"}),
    "a vote that is a text": changed(vote="Viterbi()"),
    "a vote that is false": changed(vote=False),
    "a sampling that is a number": changed(sampling=16),
    "a sampling that is false": changed(sampling=False),
    "a sampling of half its fields": changed(sampling={"frames": 16}),
    "a sampling of one frame": changed(sampling={**SAMPLING, "frames": 1}),
    "a sampling of frames without end": changed(sampling={**SAMPLING, "frames": 10**9}),
    "a sampling of true frames": changed(sampling={**SAMPLING, "frames": True}),
    "a sampling of frames in words": changed(sampling={**SAMPLING, "frames": "16"}),
    "a sampling of no time": changed(sampling={**SAMPLING, "seconds": 0}),
    "a sampling of next to no time": changed(sampling={**SAMPLING, "seconds": 1e-300}),
    "a sampling of time without end": changed(sampling={**SAMPLING, "seconds": INFINITE}),
    "a sampling of true time": changed(sampling={**SAMPLING, "seconds": True}),
    "a sampling of time in words": changed(sampling={**SAMPLING, "seconds": "2"}),
    "a sampling that is causal in numbers": changed(sampling={**SAMPLING, "causal": 1}),
    "a missing name": json.dumps({k: v for k, v in json.loads(changed()).items() if k != "name"}).encode(),
}


@pytest.mark.parametrize("text", BAD_CARDS.values(), ids=BAD_CARDS)
def test_a_bad_card_is_refused_with_a_sentence(tmp_path, colours, text):
    with pytest.raises(ModelError, match=r"a\.fvm: its card cannot be read"):
        read_model_file(rewritten(colours, tmp_path / "a.fvm", {CARD: text}))


def test_a_newer_format_is_refused_and_newer_fields_are_left_aside(tmp_path, colours):
    with pytest.raises(ModelError, match=r"has model format 5; this framevote reads up to 4\. Install a newer framevote"):
        read_model_file(rewritten(colours, tmp_path / "a.fvm", {CARD: changed(format=5)}))
    assert read_model_file(rewritten(colours, tmp_path / "b.fvm", {CARD: changed(mood="good")})).card == card()


@pytest.mark.parametrize("name", [CARD, GRAPH, WEIGHTS, KERAS])
def test_a_missing_member_is_told_by_name(tmp_path, colours, name):
    with pytest.raises(ModelError, match=rf"should hold {name} once\. Received: 0 times"):
        read_model_file(rewritten(colours, tmp_path / "a.fvm", {name: None}))


@pytest.mark.parametrize("name", ["../escaped", "/etc/escaped", "a/../../escaped", "..\\escaped", "C:\\escaped", "\\\\host\\escaped"])
def test_a_path_that_climbs_is_refused(tmp_path, colours, name):
    with pytest.raises(ModelError, match="points outside of it"):
        read_model_file(rewritten(colours, tmp_path / "a.fvm", {}, extra={name: b"x"}))


def test_a_packed_member_is_refused_before_it_is_unpacked(tmp_path, colours):
    with pytest.raises(ModelError, match="packed or encrypted"):
        read_model_file(rewritten(colours, tmp_path / "a.fvm", {GRAPH: bytes(10**7)}, packed=True))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_repeated_member_is_refused(tmp_path, colours):
    with pytest.raises(ModelError, match=r"should hold card\.json once\. Received: 2 times"):
        read_model_file(rewritten(colours, tmp_path / "a.fvm", {}, extra={CARD: b"{}"}))


def test_a_card_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="labels, no two alike"):
        card(labels=("a", "a"))
    with pytest.raises(ValueError, match="half value below its full one"):
        Openness((0.5, 0.5), (), (), 0.0)
    with pytest.raises(ValueError, match="temperature above 0"):
        Card("a", ("x",), "b", "h", View(8, 8), temperature=-1)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    folder = graph_folder(tmp_path / "parts")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file cannot be made a folder"):
        write_model_file(tmp_path / "file" / "a.fvm", card(), folder)
    old = model_file(tmp_path / "out" / "a.fvm")
    before = old.read_bytes()
    (folder / KERAS).unlink()
    with pytest.raises(OutputError, match="cannot be written"):
        write_model_file(old, card(), folder)
    assert old.read_bytes() == before
    assert sorted(p.name for p in old.parent.iterdir()) == ["a.fvm", "a.parts"]


def test_a_disk_without_room_for_the_keras_model_is_told(tmp_path, colours):
    file = read_model_file(colours)
    with pytest.raises(OutputError, match=r"Keras model of colours\.fvm cannot be unpacked into .*No such file.*TMPDIR"):
        file.extract_keras(tmp_path / "none")


def test_two_writers_at_once_leave_a_whole_file(tmp_path):
    folder = graph_folder(tmp_path / "parts")
    weights = np.random.default_rng(0).bytes(3_000_000)
    with zipfile.ZipFile(folder / KERAS, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", weights)
    path = tmp_path / "out" / "a.fvm"
    writers = [threading.Thread(target=write_model_file, args=(path, card(), folder)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with zipfile.ZipFile(read_model_file(path).extract_keras(tmp_path)) as archive:
        assert archive.read("model.weights.h5") == weights
    assert [p.name for p in path.parent.iterdir()] == ["a.fvm"]


@pytest.fixture(scope="module")
def ordered(tmp_path_factory):
    return model_file(tmp_path_factory.mktemp("models") / "order.fvm", sampling=Sampling(4, 1.0, causal=True))


def test_a_model_that_sees_order_gives_back_what_was_put_in(tmp_path, ordered, colours):
    file = read_model_file(ordered)
    assert file.card.sampling == Sampling(4, 1.0, causal=True)
    parts = ordered.parent / "order.parts"
    assert file.head == ((parts / HEAD_GRAPH).read_bytes(), (parts / HEAD_WEIGHTS).read_bytes())
    assert file.extract_keras(tmp_path, HEAD_KERAS).read_bytes() == (parts / HEAD_KERAS).read_bytes()
    assert read_model_file(colours).head is None


@pytest.mark.parametrize("name", [HEAD_KERAS, HEAD_GRAPH, HEAD_WEIGHTS])
def test_a_head_of_which_a_member_is_missing_is_told(tmp_path, ordered, name):
    with pytest.raises(ModelError, match=rf"should hold {name} once\. Received: 0 times"):
        read_model_file(rewritten(ordered, tmp_path / "a.fvm", {name: None}))


def test_a_head_and_how_it_samples_time_come_together(tmp_path, ordered, colours):
    with pytest.raises(ModelError, match=r"a\.fvm holds no head of windows, though its card tells of one\. Expected both, or neither"):
        read_model_file(rewritten(ordered, tmp_path / "a.fvm", dict.fromkeys((HEAD_KERAS, HEAD_GRAPH, HEAD_WEIGHTS))))
    with zipfile.ZipFile(ordered) as held:
        head = {name: held.read(name) for name in (HEAD_KERAS, HEAD_GRAPH, HEAD_WEIGHTS)}
    with pytest.raises(ModelError, match=r"b\.fvm holds a head of windows that its card does not tell of"):
        read_model_file(rewritten(colours, tmp_path / "b.fvm", {}, extra=head))


def test_the_fingerprint_is_of_the_head_too(tmp_path, ordered):
    other = rewritten(ordered, tmp_path / "a.fvm", {HEAD_WEIGHTS: b"other"})
    assert read_model_file(other).fingerprint != read_model_file(ordered).fingerprint
    slower = {CARD: changed(sampling={"frames": 4, "seconds": 2.0, "causal": True})}
    assert read_model_file(rewritten(ordered, tmp_path / "b.fvm", slower)).fingerprint != read_model_file(ordered).fingerprint


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": ("red", "green")}, r"The head in a\.fvm should take windows \(N, T, 3\) and give probabilities \(N, 2\)\. Received"),
        (
            {"openness": Openness((0, 1), (0.1,) * 3, (0.9,) * 3, 0.0)},
            r"familiarity \(N, 1\)\. Received: \(N, T, 3\) and {'prob",
        ),
    ],
)
def test_a_head_that_does_not_fit_its_card_is_refused(tmp_path, changes, told):
    with pytest.raises(ModelError, match=told):
        load_model(model_file(tmp_path / "a.fvm", sampling=Sampling(4, 1.0), **changes))


def test_a_head_that_is_damaged_is_refused(tmp_path, ordered):
    with pytest.raises(ModelError, match=r"The head in a\.fvm cannot be loaded by OpenVINO\. Export the model again"):
        load_model(rewritten(ordered, tmp_path / "a.fvm", {HEAD_GRAPH: b"<net>"}))
