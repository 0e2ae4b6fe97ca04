"""`framevote archive` as a user meets it: status, failed, query, export, compact."""

import json
import sys
from dataclasses import dataclass, replace

import duckdb
import pytest
from made_entries import SETTINGS, entry, failure, source

from framevote import cli
from framevote.archive.store import open_archive

OTHER = replace(SETTINGS, hysteresis=0.2)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def run(monkeypatch, capfd):
    """Run the command line in this process."""

    def run(*arguments) -> Said:
        monkeypatch.setattr(sys, "argv", ["framevote", "archive", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        caught = capfd.readouterr()
        return Said(int(left.value.code or 0), caught.out, caught.err)

    return run


@pytest.fixture
def library(tmp_path):
    """Four videos done, one of them under two settings, and two that failed."""
    archive = open_archive(tmp_path / "library", create=True)
    archive.write([entry(n) for n in range(4)])
    named = "\udcff is no video."
    archive.write([entry(1, OTHER, pieces=2), failure(8, error="/videos/0008.mp4 is no video."), failure(9, OTHER, error=named)])
    return tmp_path / "library"


def test_status(run, library):
    said = run("status", library)
    assert (said.code, said.err) == (0, "")
    assert said.lines[0] == f"{library}: 5 videos done, 0.0 hours, 2 failed: framevote archive failed {library}."
    assert said.lines[1] == f"  {SETTINGS.fingerprint}  4 done, 1 failed, 12 segments: imagenet (abcdefabcdef), EveryFrame()"
    assert said.lines[2].endswith("1 done, 1 failed, 2 segments: imagenet (abcdefabcdef), EveryFrame(), hysteresis 0.2")
    assert "MB; its tables lie in" in said.lines[3]
    assert "compact" not in said.out


def test_status_for_programs(run, library):
    told = json.loads(run("status", library, "--json").out)
    assert (told["done"], told["failed"], told["paths"], told["scattered"]) == (5, 2, 6, False)
    assert told["hours"] == pytest.approx(14 / 3600)
    assert [group["settings"]["hysteresis"] for group in told["groups"]] == [None, 0.2]
    assert told["bytes"] > 1000


def test_status_says_when_to_compact(run, library):
    archive = open_archive(library)
    for n in range(100, 132):
        archive.write([entry(n)])
    assert f"fewer make it quicker: framevote archive compact {library}." in run("status", library).out
    said = run("compact", library)
    assert said.code == 0
    assert said.out.endswith("MB; its tables lie in 3 pieces.\n")
    assert "compact" not in run("status", library).out


def test_failed(run, library):
    said = run("failed", library)
    assert (said.code, said.err) == (0, "")
    assert said.lines == ["/videos/0008.mp4 is no video.", "/videos/0009.mp4: \\udcff is no video."]
    told = [json.loads(line) for line in run("failed", library, "--json").lines]
    assert [(row["path"], row["settings"]) for row in told] == [(source(8).path, SETTINGS.fingerprint), (source(9).path, OTHER.fingerprint)]
    assert told[1]["error"] == "\udcff is no video."


def test_nothing_failed(run, tmp_path):
    open_archive(tmp_path / "library", create=True)
    assert run("failed", tmp_path / "library").out == "Nothing failed.\n"
    assert run("failed", tmp_path / "library", "--json").out == ""


def test_query(run, library):
    said = run("query", library, "label = 'cat' and score > 0.7")
    assert (said.code, said.err) == (0, "")
    assert said.lines == ["   0:02.00     0:03.00   75 %  cat  /videos/0001.mp4"]
    assert run("query", library, "label = 'zebra'").out == "No segments like that.\n"
    assert len(run("query", library).lines) == 14
    assert len(run("query", library, "--limit", "5").lines) == 5


def test_query_of_videos(run, library):
    lines = run("query", library, "label = 'dog'", "--videos").lines
    assert sorted(lines) == sorted(
        f"   0:0{pieces}.00   50 %  dog  /videos/0001.mp4  ({of.fingerprint})" for pieces, of in ((3, SETTINGS), (2, OTHER))
    )


def test_query_for_programs(run, library):
    rows = [json.loads(line) for line in run("query", library, "start < 1", "--json").lines]
    assert len(rows) == 5
    assert {(row["label"], row["end"], row["score"]) for row in rows} == {("cat", 1.0, 0.5), ("dog", 1.0, 0.5), ("hare", 1.0, 0.5)}
    assert len(run("query", library, "--json", "--limit", "3").lines) == 3
    assert run("query", library, "start > 100", "--json").out == ""
    videos = [json.loads(line) for line in run("query", library, "--videos", "--json").lines]
    assert {row["finished"][:10] for row in videos} == {"2027-01-15"}


def test_names_are_no_commands_to_a_terminal(run, tmp_path):
    evil = replace(source(1), path="/videos/\x1b[31m\udcff.mp4")
    archive = open_archive(tmp_path / "library", create=True)
    archive.write([entry(1, source=evil, pieces=1)])
    assert run("query", tmp_path / "library").out.endswith("/videos/\\x1b[31m\\udcff.mp4\n")
    assert json.loads(run("query", tmp_path / "library", "--json").out)["path"] == evil.path


@pytest.mark.parametrize("name", ["labels.parquet", "labels.csv"])
def test_export(run, library, tmp_path, name):
    said = run("export", library, tmp_path / name, "--where", "label <> 'cat'")
    assert (said.code, said.out, said.err) == (0, f"{tmp_path / name}: 10 segments.\n", "")
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path / name}' WHERE label IN ('dog', 'hare')").fetchall() == [(10,)]
    again = run("export", library, tmp_path / name, "--videos")
    assert (again.code, again.out) == (1, "")
    assert "exists" in again.err
    told = json.loads(run("export", library, tmp_path / name, "--videos", "--overwrite", "--json").out)
    assert told == {"path": str(tmp_path / name), "kind": "videos", "rows": 5}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("status", "{none}"), 1, "framevote: There is no archive at"),
        (("failed", "{none}"), 1, "There is no archive at"),
        (("query", "{none}"), 1, "There is no archive at"),
        (("export", "{none}", "labels.csv"), 1, "There is no archive at"),
        (("compact", "{none}"), 1, "There is no archive at"),
        (("status", ""), 2, "Received an empty text as the name of an archive"),
        (("query", "{library}", "colour = 1"), 2, "No field named colour. Expected SQL such as"),
        (("query", "{library}", "--limit", "0"), 2, "limit"),
        (("export", "{library}", "labels.txt"), 2, "exported to .parquet or .csv"),
        (("export", "{library}", "labels.csv", "--embeddings"), 2, "CSV holds no embedding"),
        (("status",), 2, "ARCHIVE"),
        (("burn", "{library}"), 2, "burn"),
    ],
)
def test_what_is_told_of_mistakes(run, library, tmp_path, monkeypatch, arguments, code, sentence):
    monkeypatch.chdir(tmp_path)
    said = run(*(argument.format(none=tmp_path / "none", library=library) for argument in arguments))
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", ["status", "failed", "query", "export", "compact"])
def test_quiet_and_help(run, library, tmp_path, command):
    more = [tmp_path / "labels.csv"] if command == "export" else []
    assert run(command, library, *more, "--quiet") == Said(0, "", "")
    said = run(command, "-h")
    assert said.code == 0
    assert "--debug" in said.out
