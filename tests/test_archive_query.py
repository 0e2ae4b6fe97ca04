"""An archive is asked by SQL conditions, exported, opened by other programs; and does all of it in a bucket too."""

import csv
import re
import resource
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_bucket import made_bucket
from made_entries import LABELS, SETTINGS, content, entry, failure, frame_scores, source

from framevote.archive import querying
from framevote.archive.exporting import export
from framevote.archive.querying import query, rows
from framevote.archive.schema import restored
from framevote.archive.store import Archive, Seen, open_archive
from framevote.errors import InputError, OutputError, UsageError

OTHER = replace(SETTINGS, unknown=0.5)
CONDITIONS = [
    ("label = 'cat'", lambda row: row["label"] == "cat"),
    ("label = 'cat' and score > 0.6", lambda row: row["label"] == "cat" and row["score"] > 0.6),
    ("label in ('dog', 'hare') or start >= 4", lambda row: row["label"] in ("dog", "hare") or row["start"] >= 4),
    ("path like '%/0003.mp4'", lambda row: row["path"].endswith("/0003.mp4")),
    ("end - start < 0.5", lambda row: False),
    ("label = 'a;b'", lambda row: False),
    (None, lambda row: True),
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Archive:
    """Twelve videos of 1 … 6 segments, two under other settings with longer embeddings, one that failed, one cut off half-way."""
    archive = open_archive(tmp_path_factory.mktemp("archive") / "library", create=True)
    archive.write([entry(n, pieces=1 + n % 6) for n in range(6)])
    archive.write([entry(n, pieces=1 + n % 6, frame_scores=frame_scores()) for n in range(6, 12)] + [failure(20)])
    archive.write([entry(n, OTHER, length=16) for n in (1, 30)])
    archive.write([entry(40)])
    archive.table("videos").delete(f"content = '{content(40)}'")
    return archive


def expected() -> list[dict]:
    """What shall be found, from the entries themselves."""
    entries = [*(entry(n, pieces=1 + n % 6) for n in range(12)), *(entry(n, OTHER, length=16) for n in (1, 30))]
    found = [
        {"path": e.source.path, "settings": e.settings.fingerprint, "number": n, "label": p.label, "score": p.score, "start": p.start}
        for e in entries
        for n, p in enumerate(e.pieces)
    ]
    return sorted(found, key=lambda row: (row["path"], row["settings"], row["number"]))


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS)
def test_a_condition_over_segments(archive, condition, holds):
    found = query(archive, condition).to_pylist()
    wanted = [row for row in expected() if holds(row)]
    assert [{name: row[name] for name in wanted[0]} for row in found] == wanted if wanted else not found


@pytest.mark.parametrize(
    ("condition", "count"), [("label = 'cat'", 5), ("width = 640 and duration > 2", 10), ("state = 'failed'", 0), (None, 14)]
)
def test_a_condition_over_videos(archive, condition, count):
    found = query(archive, condition, "videos")
    assert found.num_rows == count
    assert found["path"].to_pylist() == sorted(found["path"].to_pylist())
    assert not {"embedding", "frame_scores"} & set(found.column_names)


def test_at_most_so_many(archive, monkeypatch):
    monkeypatch.setattr(querying, "_LEAST", 2)
    for limit in (1, 2, 3, 10, 45, 1000):
        found = query(archive, "label <> 'cat'", limit=limit)
        assert found.num_rows == min(limit, query(archive, "label <> 'cat'").num_rows)
        assert len(set(zip(*(found[name].to_pylist() for name in ("video", "number")), strict=True))) == found.num_rows
    with pytest.raises(UsageError, match=r"at least 1\. Received: 0"):
        query(archive, limit=0)


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            "colour = 'red'",
            r"No field named colour. Expected SQL such as label = .* over: key, video, path, .*, embedding. Received: colour",
        ),
        ("label =", "Expected: an expression, found: EOF"),
        ("label", "does not return a boolean"),
        ("score > 'high'", "could not convert"),
        ("1/0 > start", "Divide by zero"),
        ("sum(score) > 1", "Not supported"),
        ("video in (select key from videos)", "not supported"),
        ("label = 'cat'; drop table videos", "without a semicolon"),
        ("", "empty condition"),
        ("  ", "empty condition"),
    ],
)
def test_a_condition_that_is_none(archive, condition, sentence):
    with pytest.raises(UsageError, match=sentence) as told:
        query(archive, condition)
    assert len(str(told.value)) < 500
    assert ".rs" not in str(told.value)


def test_asking_changes_nothing(archive):
    versions = [table.version for table in (archive.table("videos"), *archive.segment_tables())]
    for condition, _ in CONDITIONS:
        query(archive, condition)
    assert [table.version for table in (archive.table("videos"), *archive.segment_tables())] == versions


def test_another_kind(archive):
    with pytest.raises(UsageError, match=r"kind is segments or videos\. Received: 'films'"):
        query(archive, kind="films")


def test_an_empty_archive(tmp_path):
    archive = open_archive(tmp_path / "library", create=True)
    assert (query(archive).num_rows, query(archive, kind="videos").num_rows) == (0, 0)
    assert export(archive, tmp_path / "none.parquet") == export(archive, tmp_path / "none.csv") == 0
    assert pq.read_table(tmp_path / "none.parquet").column_names == query(archive).column_names
    assert (archive.failed(), archive.status().done, archive.status().groups) == ([], 0, ())


# Other programs.


def test_duckdb_and_pandas_open_what_is_asked(archive):
    segments = query(archive)
    told = duckdb.sql('SELECT label, sum("end" - start) FROM segments GROUP BY label ORDER BY label').fetchall()
    frame = segments.to_pandas()
    assert told == [(label, float((frame.label == label).sum())) for label in sorted(LABELS)]


def test_duckdb_reads_the_tables_themselves(archive):
    videos = archive.table("videos").to_arrow()
    assert len(videos) == 15
    (row,) = duckdb.sql(f"SELECT frame_scores, frame_names, finished, embedding FROM videos WHERE content = '{content(7)}'").fetchall()
    assert row[0] == [0.75, 0.125, 0.5, 0.25]


def test_the_lines_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = open_archive("library", create=True)
    archive.write([entry(n, length=1280, frame_scores=frame_scores()) for n in range(3)])
    export(archive, "labels.parquet")
    row = archive.table("videos").to_arrow().to_pylist()[0]
    names = {"row": row, "embedding": [1.0] * 1280}
    page = (Path(__file__).parents[1] / "docs" / "archive.md").read_text(encoding="utf-8").partition("## What is promised")[0]
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block.replace("'tennis'", "'cat'").replace("0.8", "0.7"), names)
    assert names["segments"].num_rows == 1
    assert (names["labels"].shape, names["scores"].shape) == ((2, 2), (2, 2))
    assert names["hours"].fetchall() == [("cat", 1 / 3600)]
    assert {row["video"] for row in names["alike"].head(3).to_dict("records")} == {entry(1).key}
    assert sorted(names["counts"]) == [(label, 3) for label in sorted(LABELS)]


@pytest.mark.parametrize("kind", ["segments", "videos"])
def test_export_to_parquet(archive, tmp_path, kind):
    path = tmp_path / "labels.parquet"
    count = export(archive, path, "score >= 0.5", kind, embeddings=True)
    told = duckdb.sql(f"SELECT * EXCLUDE embedding FROM '{path}' ORDER BY path, settings, label").fetchall()
    assert len(told) == count == query(archive, "score >= 0.5", kind).num_rows
    read = pq.read_table(path)
    assert {len(row) for row in read["embedding"].to_pylist()} == {8, 16}
    assert read.drop_columns("embedding").schema.equals(query(archive, kind=kind).schema)
    assert sorted(map(str, read.drop_columns("embedding").to_pylist())) == sorted(map(str, query(archive, None, kind).to_pylist()))


@pytest.mark.parametrize("kind", ["segments", "videos"])
def test_export_to_csv(archive, tmp_path, kind):
    path = tmp_path / "labels.csv"
    export(archive, path, kind=kind)
    frame, asked = pd.read_csv(path, dtype={"content": str}), query(archive, kind=kind).to_pandas()
    assert list(frame) == list(asked)
    together = ["path", "settings", *(["number"] if kind == "segments" else [])]
    frame = frame.sort_values(together).reset_index(drop=True)
    for name in ("path", "label", "score", "settings"):
        assert (
            frame[name].to_list() == pytest.approx(asked[name].to_list())
            if name == "score"
            else frame[name].to_list() == asked[name].to_list()
        )


def test_export_of_strange_names(tmp_path):
    archive = open_archive(tmp_path / "library", create=True)
    paths = ["/v/a,b.mp4", '/v/"q".mp4', "/v/a\nb.mp4", "/v/a\rb.mp4", "/v/\udcff.mp4", " /v/ ", "=1+1"]
    archive.write([entry(n, pieces=1, source=replace(source(n), path=path), label=path) for n, path in enumerate(paths)])
    export(archive, tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as file:
        assert sorted(restored(row["path"]) for row in csv.DictReader(file)) == sorted(paths)


def test_export_goes_block_by_block(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(querying, "_BLOCK", 7)
    told: list[int] = []
    count = export(archive, tmp_path / "labels.parquet", progress=told.append)
    assert len(told) > count / 7
    assert told[-1] == count == pq.read_metadata(tmp_path / "labels.parquet").num_rows
    assert max(block.num_rows for block in rows(archive)) <= 7


def test_who_reads_longer_than_what_was_replaced_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(querying, "_BLOCK_OF_EMBEDDINGS", 8)
    archive = open_archive(tmp_path / "library", create=True)
    for batch in range(0, 800, 20):
        archive.write([entry(n, length=1280) for n in range(batch, batch + 20)])
    blocks = rows(archive, embeddings=True)
    assert next(blocks).num_rows == 8
    open_archive(archive.where).compact(timedelta(milliseconds=1))
    with pytest.raises(InputError, match=r"another process has tidied up meanwhile what was being read\. Do it again"):
        list(blocks)
    assert sum(block.num_rows for block in rows(archive, embeddings=True)) == 2400


@pytest.mark.parametrize(
    ("name", "options", "kind", "sentence"),
    [
        ("labels.xlsx", {}, UsageError, "exported to .parquet or .csv. Received: .*labels.xlsx"),
        ("labels.csv", {"embeddings": True}, UsageError, "CSV holds no embedding"),
        ("labels.csv", {"where": "colour = 1"}, UsageError, "No field named colour"),
        ("there.csv", {}, OutputError, "exists"),
        ("none/labels.csv", {}, OutputError, "there is no folder"),
    ],
)
def test_what_cannot_be_exported(archive, tmp_path, name, options, kind, sentence):
    (tmp_path / "there.csv").write_text("kept")
    with pytest.raises(kind, match=sentence):
        export(archive, tmp_path / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert export(archive, tmp_path / "there.csv", overwrite=True) == 48


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_no_room_for_an_export(archive, tmp_path, name):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OutputError, match=rf"{name} cannot be written: the file would grow beyond what is allowed"):
            export(archive, tmp_path / name, embeddings=name.endswith("parquet"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


# A bucket.


@pytest.fixture(scope="module")
def bucket():
    with made_bucket() as bucket:
        yield f"s3://{bucket.name}"


def test_an_archive_in_a_bucket(bucket, tmp_path):
    where = f"{bucket}/library"
    with pytest.raises(InputError, match="There is no archive at s3://"):
        open_archive(where)
    archive = open_archive(where, create=True)
    archive.write([entry(1), entry(2), failure(3)])
    archive.write([entry(2), entry(4)], [Seen(source(9), content(1))])
    again = open_archive(where)
    assert query(again, "label = 'cat'").num_rows == 3
    assert query(again, "path = '/videos/0009.mp4'", "videos").num_rows == 1
    known = again.known(SETTINGS)
    assert [known.state_of(content(n)) for n in (1, 2, 3, 4, 5)] == ["done", "done", "failed", "done", None]
    again.compact()
    now = open_archive(where).status()
    assert (now.done, now.failed, now.files, now.bytes, now.pieces) == (3, 1, None, None, 3)
    assert export(again, tmp_path / "labels.parquet") == 9


def test_a_bucket_that_cannot_be_used(bucket, monkeypatch):
    archive = open_archive(f"{bucket}/library", create=True)
    with pytest.raises(OutputError, match="there is no such bucket"):
        open_archive("s3://no-such-bucket/library", create=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(OutputError, match=r"the object storage does not answer.*AWS_ENDPOINT_URL"):
        open_archive(f"{bucket}/library")
    assert time.monotonic() - began < 20
    assert archive.where == f"{bucket}/library"


def test_a_scheme_that_is_none(tmp_path):
    with pytest.raises(OutputError, match=r"there is no such storage. Expected a folder, or an address such as s3://"):
        open_archive("ftp://bucket/library", create=True)
