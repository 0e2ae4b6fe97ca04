"""What the README shows is what the program does."""

import io
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from made_timelines import timeline
from media import make_video
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from framevote.classifier import Classifier
from framevote.cli import app
from framevote.cli.terminal import show
from framevote.parts import build
from framevote.records import Flicker, Guess, Segment
from framevote.writers import writer_for

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _block(language: str, holding: str) -> str:
    """The one fenced block of a language that holds a text."""
    (found,) = [block for block in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if holding in block]
    return found


LINES = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
COMMANDS = [line.partition(" #")[0].partition("|")[0].strip() for line in LINES if line.startswith("framevote ")]


def test_the_parts_are_what_the_command_prints():
    # Where it differs: python examples/pictures.py
    assert _block("text", "smoother:") == CliRunner().invoke(app, ["parts"]).stdout.partition("backbone:")[0]


def test_the_sample_is_laid_out_as_the_command_prints():
    # The figures are read from the sample, all the rest is printed anew. Where it differs: python examples/pictures.py
    command, *sample = _block("text", "$ framevote label").splitlines()
    told = "\n".join(sample)
    rows = re.findall(r"^\w +(\d+):([\d.]+) +(\d+):([\d.]+) +(\S.*?) +(\d+) %$", told, re.MULTILINE)
    segments = tuple(Segment(int(a) * 60 + float(b), int(c) * 60 + float(d), label, int(score) / 100) for a, b, c, d, label, score in rows)
    overall = tuple(Guess(label, int(score) / 100) for label, score in re.findall(r"[:,] ([^:,]+) (\d+) %", told))
    flicker = Flicker(*(float(rate) for rate in re.findall(r"\d+\.\d(?= frame by frame| after)", told)))
    assert (len(segments), len(overall)) == (8, 3)
    shown = timeline(segments, Path(shlex.split(command)[-1]), duration=segments[-1].end)
    again = io.StringIO()
    show(replace(shown, overall=overall, flicker=flicker, skipped=0), Console(file=again, width=80, color_system=None))
    assert [line.rstrip() for line in again.getvalue().splitlines()] == sample


def test_every_kind_of_command_is_shown():
    assert {shlex.split(line)[1] for line in COMMANDS} == set(typer.main.get_command(app).commands)
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line):
    program, command, *arguments = shlex.split(line)
    assert program == "framevote"
    if arguments == ["--help"]:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
        return
    context, arguments = typer.main.get_command(app).make_context(program, [command]), [command, *arguments]
    while (group := getattr(context.command, "commands", None)) is not None:
        name, *arguments = arguments
        context = group[name].make_context(name, list(arguments), parent=context)
    told = context.params
    for kind in {"smoother", "strategy", "head", "backbone"} & told.keys():
        part = build(kind, told[kind])
        assert part is None or build(kind, repr(part)) == part
    for output in (told.get("output") or ()) if command == "label" else ():
        assert not Path(output).suffix or writer_for(output)


def test_the_lines_of_python_run(imagenet: Classifier, tmp_path, monkeypatch, capsys):
    make_video(tmp_path / "match.mp4", seconds=0.4)
    monkeypatch.chdir(tmp_path)
    exec(_block("python", "import framevote"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("0.0 ")
    assert float(printed[-1].split()[1]) == pytest.approx(0.4)
    assert (tmp_path / "match.annotated.mp4").stat().st_size > 1000


def test_every_picture_is_small_and_described():
    pages = [README, *(page.read_text(encoding="utf-8").replace("](images/", "](docs/images/") for page in ROOT.glob("docs/*.md"))]
    pictures = [found for page in pages for found in re.findall(r"!\[(.*?)\]\((docs/images/.*?)\)", page)]
    assert {path for _, path in pictures} == {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "images").iterdir()}
    for text, path in pictures:
        assert len(text) > 40
        assert (ROOT / path).stat().st_size < 200_000
        with Image.open(ROOT / path) as picture:
            assert picture.width >= 640
