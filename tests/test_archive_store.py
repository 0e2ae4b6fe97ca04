"""An archive: idempotent, whole at every moment, and shared by processes that may be killed."""

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_entries import LABELS, SETTINGS, content, entry, failure, frame_scores, source

import framevote.archive.store as store_module
from framevote.archive.entries import Entry, Source
from framevote.archive.querying import query
from framevote.archive.schema import FORMAT, restored, stored
from framevote.archive.store import Archive, Seen, open_archive
from framevote.errors import InputError, MissingExtra, OutputError, UsageError

OTHER = replace(SETTINGS, hysteresis=0.2)


@pytest.fixture
def archive(tmp_path) -> Archive:
    return open_archive(tmp_path / "library", create=True)


def whole(archive: Archive) -> dict[str, list[int]]:
    """The numbers of the segments that are shown of each video, after looking that none is there twice or lacks one."""
    keys = archive.table("videos").search().select(["key"]).to_arrow()["key"].to_pylist()
    assert len(keys) == len(set(keys))
    shown: dict[str, list[int]] = {}
    for row in query(archive).to_pylist():
        shown.setdefault(row["video"], []).append(row["number"])
    counts = {row["key"]: row["segments"] for row in query(archive, kind="videos").to_pylist()}
    assert {key: list(range(count)) for key, count in counts.items() if count} == shown
    return shown


def cut_off(archive: Archive, monkeypatch: pytest.MonkeyPatch, table: str, entries: list[Entry]) -> None:
    """Write entries, but stop before the commit to a table."""
    merge = store_module.merge

    def stop(where, into, *arguments, **options):
        if into.name == table:
            raise KeyboardInterrupt
        merge(where, into, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(store_module, "merge", stop)
        with pytest.raises(KeyboardInterrupt):
            archive.write(entries)


def test_what_is_written_is_there(archive):
    archive.write([entry(1, frame_scores=frame_scores()), failure(2)])
    row, other = sorted(archive.table("videos").to_arrow().to_pylist(), key=lambda row: row["path"])
    assert (row["path"], row["size"], row["modified"]) == ("/videos/0001.mp4", 1001, 1.7e9 + 0.125)
    assert (row["state"], row["width"], row["duration"], row["codec"], row["label"]) == ("done", 640, 3.0, "h264", "dog")
    assert row["frame_rate"] == pytest.approx(29.97, abs=0.001)
    assert (row["segments"], row["looked"], row["decoded"], row["seconds"]) == (3, 10, 20, 0.25)
    assert row["finished"] == datetime(2027, 1, 15, 8, 0, 1)
    assert row["embedding"] == [1.0] * 8
    assert (other["state"], other["error"], other["label"], other["width"]) == ("failed", "It is no video.", "", None)
    segments = sorted(archive.table("segments_8").to_arrow().to_pylist(), key=lambda row: row["number"])
    assert [(s["start"], s["end"], s["label"], s["score"]) for s in segments] == [
        (0.0, 1.0, "dog", 0.5),
        (1.0, 2.0, "hare", 0.625),
        (2.0, 3.0, "cat", 0.75),
    ]
    assert all(s["path"] == "/videos/0001.mp4" and s["embedding"] == [1.0] * 8 and s["video"] == row["key"] for s in segments)


def test_scores_of_frames_are_kept_with_the_labels_that_are_there(archive):
    archive.write([entry(1, frame_scores=frame_scores())])
    row = archive.table("videos").to_arrow().to_pylist()[0]
    assert row["frame_names"] == ["cat", "hare"]
    best = len(row["frame_labels"]) // len(row["frame_times"])
    names = np.array(row["frame_names"])[row["frame_labels"]].reshape(-1, best)
    scores = frame_scores()
    np.testing.assert_array_equal(names, np.array(LABELS)[scores.labels])
    np.testing.assert_array_equal(np.reshape(row["frame_scores"], (-1, best)), scores.values)
    np.testing.assert_array_equal(row["frame_times"], scores.times)


def test_the_same_again_leaves_nothing_twice(archive):
    archive.write([entry(n) for n in range(5)])
    archive.write([entry(n) for n in range(3, 8)])
    assert sorted(whole(archive)) == [entry(n).key for n in range(8)]
    assert archive.table("segments_8").count_rows() == 24


def test_what_is_done_is_not_done_again(archive):
    archive.write([entry(1), entry(2)])
    archive.write([entry(1, pieces=5, source=source(3))])
    assert whole(archive) == {entry(n).key: [0, 1, 2] for n in (1, 2)}
    assert query(archive, "path = '/videos/0003.mp4'").num_rows == 3
    assert archive.known(SETTINGS).content_of(source(3)) == content(1)


@pytest.mark.parametrize("pieces", [5, 3, 1, 0])
def test_done_anew_after_it_was_cut_off(archive, monkeypatch, pieces):
    cut_off(archive, monkeypatch, "videos", [entry(1), entry(2)])
    assert archive.table("segments_8").count_rows() == 6
    assert whole(archive) == {}
    archive.write([entry(1, pieces=pieces)])
    assert len(whole(archive).get(entry(1).key, [])) == pieces
    assert archive.table("segments_8").count_rows() == 3 + pieces


def test_one_key_twice_in_a_batch(archive):
    archive.write([entry(1, pieces=5), failure(1), entry(1, pieces=2), failure(1)])
    assert whole(archive) == {entry(1).key: [0, 1]}


def test_other_settings_stand_beside(archive):
    archive.write([entry(1)])
    archive.write([entry(1, OTHER), failure(2, OTHER)])
    assert sorted(whole(archive)) == sorted([entry(1).key, entry(1, OTHER).key])
    assert [archive.known(settings).state_of(content(2)) for settings in (SETTINGS, OTHER)] == [None, "failed"]


def test_what_is_done_stays_done(archive):
    archive.write([failure(1)])
    archive.write([entry(1)])
    archive.write([failure(1)])
    assert archive.known(SETTINGS).state_of(content(1)) == "done"
    assert archive.failed() == []
    assert whole(archive) == {entry(1).key: [0, 1, 2]}


def test_models_of_different_lengths_and_vector_search(archive):
    archive.write([entry(n) for n in range(6)] + [entry(7, OTHER, length=16), entry(8, OTHER, length=0)])
    assert sorted(table.name for table in archive.segment_tables()) == ["segments_0", "segments_16", "segments_8"]
    assert len(whole(archive)) == 8
    nearest = archive.table("segments_8").search(np.full(8, 3.9), vector_column_name="embedding").limit(3).to_list()
    assert {row["video"] for row in nearest} == {entry(4).key}


def test_embeddings_that_disagree(archive):
    mixed = entry(1).pieces + entry(1, length=4).pieces
    with pytest.raises(ValueError, match=r"embeddings of one length.*\[4, 8\]"):
        archive.write([entry(1, pieces=0), replace(entry(2), pieces=mixed)])


def test_known(archive):
    unread = replace(failure(3), content="")
    archive.write([entry(1), failure(2), unread])
    known = archive.known(SETTINGS)
    assert known.content_of(source(1)) == content(1)
    assert known.content_of(source(2)) == content(2)
    assert known.content_of(source(3)) is None
    assert known.content_of(replace(source(1), size=1)) is None
    assert known.content_of(replace(source(1), modified=1.0)) is None
    assert [known.state_of(content(n)) for n in (1, 2, 3)] == ["done", "failed", None]
    elsewhere = archive.known(OTHER)
    assert (elsewhere.content_of(source(1)), elsewhere.state_of(content(1))) == (content(1), None)


def test_a_moved_file_is_followed(archive):
    archive.write([entry(1), entry(1, OTHER, length=16), entry(2)])
    moved = Source("/new's/one.mp4", 1001, 5.0)
    archive.write([], [Seen(moved, content(1)), Seen(Source("/new/none.mp4", 1, 1.0), content(77))])
    assert {row["path"] for row in query(archive, f"video <> '{entry(2).key}'").to_pylist()} == {moved.path}
    videos = query(archive, "path = '/new''s/one.mp4'", "videos").to_pylist()
    assert [(row["size"], row["modified"]) for row in videos] == [(1001, 5.0)] * 2
    known = archive.known(SETTINGS)
    assert known.content_of(moved) == known.content_of(source(1)) == content(1)
    assert len(whole(archive)) == 3


def test_failures(archive):
    archive.write([failure(2, error="b"), failure(1, error="a"), failure(1, OTHER, error="c"), replace(failure(3, error="d"), content="")])
    told = [(failed.source, failed.settings, failed.error) for failed in archive.failed()]
    assert [(path.path[-5], error) for path, _, error in told] == [("1", told[0][2]), ("1", told[1][2]), ("2", "b"), ("3", "d")]
    assert (source(1), OTHER, "c") in told
    assert (source(1), SETTINGS, "a") in told


def test_a_failure_that_moved_is_told_of_where_it_lies_now(archive):
    archive.write([failure(1, error=f"{source(1).path} is empty.")])
    archive.write([], [Seen(Source("/new/\udcff.mp4", 1001, 5.0), content(1))])
    (failed,) = archive.failed()
    assert (failed.source.path, failed.error) == ("/new/\udcff.mp4", "/new/\udcff.mp4 is empty.")


def test_a_failure_is_over_once_its_file_is_another(archive):
    archive.write([failure(1), replace(failure(2), content="")])
    archive.write([entry(11, source=source(1)), entry(12, source=source(2))])
    assert archive.failed() == []
    assert archive.status().failed == 0


def test_status(archive):
    archive.write([entry(1), entry(2, pieces=5), failure(3), entry(1, OTHER)])
    now = archive.status()
    assert (now.done, now.failed, now.paths, now.where) == (3, 1, 3, archive.where)
    assert now.hours == pytest.approx((3 + 5 + 3) / 3600)
    assert [(g.settings, g.fingerprint, g.done, g.failed, g.segments) for g in now.groups] == [
        (SETTINGS, SETTINGS.fingerprint, 2, 1, 8),
        (OTHER, OTHER.fingerprint, 1, 0, 3),
    ]
    found = [path for path in Path(archive.where).rglob("*") if path.is_file()]
    assert (now.files, now.bytes) == (len(found), sum(path.stat().st_size for path in found))


def test_compacting_joins_pieces_and_loses_nothing(archive):
    for n in range(40):
        archive.write([entry(n)])
    before, shown = archive.status(), whole(archive)
    assert before.scattered
    archive.compact(timedelta(milliseconds=1))
    after = archive.status()
    assert (after.scattered, after.pieces) == (False, 3)
    assert after.files < before.files / 5
    assert whole(archive) == shown
    archive.write([entry(1), entry(99)])
    assert len(whole(archive)) == 41


@pytest.mark.parametrize(
    "path", [b"/v/caf\xe9.mp4", b"/v/\xff\xfe", rb"/v/\udcff.mp4", rb"/v/\\u00e9 \u", "/v/é 漢 \U0001f600 'quoted'.mp4".encode()]
)
def test_names_that_are_no_text(archive, path):
    strange = Source(os.fsdecode(path), 5, 6.0)
    archive.write([entry(1, source=strange), replace(failure(2), source=strange, content="", error=f"{strange.path} is bad")])
    assert archive.known(SETTINGS).content_of(strange) is None
    assert [(failed.source, failed.error) for failed in archive.failed()] == [(strange, f"{strange.path} is bad")]
    archive.write([entry(1, source=strange)])
    assert archive.known(SETTINGS).content_of(strange) == content(1)
    assert {restored(row["path"]) for row in query(archive).to_pylist()} == {strange.path}


@given(st.text(alphabet=st.characters() | st.sampled_from("\\u0dcf\udcff\ud800"), max_size=20))
def test_every_text_comes_back(text):
    assert restored(stored(text)) == text
    stored(text).encode()


def test_texts_that_are_texts_stay_as_they_are():
    assert stored("/v/é 漢 C:\\videos\\a.mp4") == "/v/é 漢 C:\\videos\\a.mp4"


# What cannot be opened.


def newer(folder: Path) -> None:
    import lancedb

    open_archive(folder, create=True)
    table = lancedb.connect(folder).open_table("videos")
    schema = table.schema.with_metadata({b"framevote:format": str(FORMAT + 1).encode()})
    lancedb.connect(folder).create_table("videos", schema=schema, mode="overwrite")


def foreign(folder: Path) -> None:
    import lancedb

    lancedb.connect(folder).create_table("videos", schema=pa.schema([pa.field("x", pa.int32())]))


def damaged(folder: Path) -> None:
    open_archive(folder, create=True)
    for manifest in (folder / "videos.lance" / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"junk")


@pytest.mark.parametrize(
    ("make", "create", "kind", "sentence"),
    [
        (lambda folder: None, False, InputError, "There is no archive at .*archive add VIDEOS --into"),
        (Path.mkdir, False, InputError, "There is no archive at"),
        (Path.touch, False, InputError, "There is no archive at"),
        (Path.touch, True, OutputError, "a file has that name"),
        (lambda folder: (folder.mkdir(), (folder / "match.mp4").touch()), True, InputError, "is no archive: it holds .*match.mp4"),
        (newer, False, InputError, f"made by a newer framevote .format {FORMAT + 1}; this one knows up to {FORMAT}.. Update"),
        (newer, True, InputError, "made by a newer framevote"),
        (foreign, True, InputError, "no archive of framevote"),
        (damaged, False, InputError, "cannot be read"),
    ],
)
def test_what_is_no_archive(tmp_path, make, create, kind, sentence):
    make(tmp_path / "library")
    with pytest.raises(kind, match=sentence):
        open_archive(tmp_path / "library", create=create)


def test_no_name():
    with pytest.raises(UsageError, match="empty text"):
        open_archive("", create=True)


def test_opening_makes_nothing_where_nothing_is_asked(tmp_path):
    with pytest.raises(InputError):
        open_archive(tmp_path / "library")
    assert list(tmp_path.iterdir()) == []


def test_made_twice_is_the_same(archive):
    archive.write([entry(1)])
    assert len(whole(open_archive(archive.where, create=True))) == 1


def test_a_table_that_is_not_there(archive):
    with pytest.raises(InputError, match=r"has no table segments_9. It has: files, videos"):
        archive.table("segments_9")


def test_making_that_was_killed_is_made_again(tmp_path):
    (tmp_path / "library" / "files.lance" / "_transactions").mkdir(parents=True)
    (tmp_path / "library" / "segments_8.lance" / "_transactions").mkdir(parents=True)
    with pytest.raises(InputError, match="There is no archive"):
        open_archive(tmp_path / "library")
    archive = open_archive(tmp_path / "library", create=True)
    assert archive.segment_tables() == []
    archive.write([entry(1)])
    assert len(whole(archive)) == 1


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'framevote\[archive\]'"):
        open_archive(tmp_path / "library", create=True)


# Disks.


@pytest.fixture
def disk(tmp_path):
    """A small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_ends_it_and_room_goes_on(disk):
    archive = open_archive(disk / "library", create=True)
    batches = [[entry(10 * batch + n, length=256) for n in range(10)] for batch in range(40)]
    done = 0

    def write_all() -> None:
        nonlocal done
        for batch in batches:
            archive.write(batch)
            done += len(batch)

    with pytest.raises(OutputError, match=r"library cannot be written: the disk is full.*goes on"):
        write_all()
    assert 0 < done < 400
    assert done <= len(whole(archive)) <= done + 10
    assert len(whole(open_archive(archive.where))) >= done
    with suppress(OSError):
        (disk / "filler").write_bytes(bytes(600 << 10))
    with pytest.raises(OutputError, match="the disk is full"):
        open_archive(disk / "another", create=True)
    subprocess.run(["mount", "-o", "remount,size=40M", disk], check=True)
    write_all()
    assert len(whole(archive)) == 400


def test_a_disk_for_reading(disk):
    archive = open_archive(disk / "library", create=True)
    archive.write([entry(1)])
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    reading = open_archive(disk / "library", create=True)
    assert len(whole(reading)) == 1
    for write in (lambda: reading.write([entry(2)]), lambda: open_archive(disk / "another", create=True)):
        with pytest.raises(OutputError, match="cannot be written: the disk can only be read"):
            write()


def test_a_limit_on_files(archive):
    archive.write([entry(1)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(OutputError, match=r"beyond what is allowed here\. Raise the limit"):
            archive.write([entry(n, length=256) for n in range(2, 40)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(whole(archive)) == 1
    archive.write([entry(n, length=256) for n in range(2, 40)])
    assert len(whole(archive)) == 39


# Several processes, and the end of some.


@pytest.mark.parametrize("table", ["segments_8", "videos", "files"])
def test_cut_off_between_two_commits(archive, monkeypatch, table):
    archive.write([entry(1)])
    cut_off(archive, monkeypatch, table, [entry(2, pieces=5), failure(3)])
    assert whole(archive).keys() == {entry(1).key, *([entry(2).key] if table == "files" else [])}
    archive.write([entry(2, pieces=5), entry(3, pieces=2)])
    assert whole(archive) == {entry(1).key: [0, 1, 2], entry(2).key: [0, 1, 2, 3, 4], entry(3).key: [0, 1]}


def overlapping(where: str, seed: int, barrier: Barrier) -> None:
    """Open, or make, an archive and write videos of 0 … 23, each batch when the others write theirs; the first process compacts too."""
    barrier.wait(120)
    archive = open_archive(where, create=True)
    numbers = random.Random(seed).sample(range(24), 24) if seed > 1 else list(range(24))
    for place in range(0, 24, 6):
        barrier.wait(120)
        settings, length = (OTHER, 16) if seed % 2 else (SETTINGS, 8)
        batch = [entry(n) for n in numbers[place : place + 3]] + [entry(n, settings, length=length) for n in numbers[place : place + 6]]
        archive.write(batch, [Seen(source(100 + numbers[place]), content(numbers[place]))])
        if seed == 0:
            archive.compact(timedelta(seconds=30))


def test_four_processes_write_the_same_keys(tmp_path):
    where = str(tmp_path / "library")
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(4)
    processes = [spawn.Process(target=overlapping, args=(where, seed, barrier)) for seed in range(4)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        if list(tmp_path.glob("library/videos.lance/_versions/*.manifest")):
            whole_but_unfinished(where)
        time.sleep(0.2)
    assert [process.exitcode for process in processes] == [0] * 4
    archive = open_archive(where)
    shown = whole(archive)
    assert {key for key in shown if key.endswith(SETTINGS.fingerprint)} == {entry(n).key for n in range(24)}
    assert {key for key in shown if key.endswith(OTHER.fingerprint)} == {entry(n, OTHER).key for n in range(24)}
    assert archive.table("segments_8").count_rows() == archive.table("segments_16").count_rows() == 72
    paths = archive.table("files").search().select(["path"]).to_arrow()["path"].to_pylist()
    assert len(paths) == len(set(paths))


def whole_but_unfinished(where: str) -> None:
    """Look, while others write, that every segment belongs to a video that is there with all of them."""
    archive = open_archive(where)
    counts = Counter(row["video"] for row in query(archive).to_pylist())
    assert set(counts.values()) <= {3}


WRITING = """
import sys
sys.path.insert(0, {tests!r})
from made_entries import entry
from framevote.archive.store import open_archive

archive = open_archive({where!r}, create=True)
print("open", flush=True)
for batch in range(0, 400, 4):
    archive.write([entry(n) for n in range(batch, batch + 4)])
    if batch % 40 == 36:
        archive.compact()
print("done", flush=True)
"""


def test_killed_at_any_moment(tmp_path):
    where, draw = str(tmp_path / "library"), random.Random(7)
    for _ in range(4):
        code = WRITING.format(tests=str(Path(__file__).parent), where=where)
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "open\n"
            time.sleep(draw.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
        whole(open_archive(where, create=True))
    archive = open_archive(where)
    for batch in range(0, 100, 20):
        archive.write([entry(n) for n in range(batch, batch + 20)])
    shown = whole(archive)
    assert {entry(n).key for n in range(100)} <= shown.keys()
    assert all(len(shown[entry(n).key]) == 3 for n in range(100))
    kept = archive.table("segments_8").search().where(" OR ".join(f"video = '{entry(n).key}'" for n in range(100))).to_arrow()
    assert kept.num_rows == 300
