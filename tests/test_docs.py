"""What the documentation shows is what the code does."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from framevote import parts
from framevote.readers import from_dict
from framevote.testing import check_writer
from framevote.writers.text import to_json

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_timeline_of_the_page_is_what_would_be_written():
    page = (ROOT / "docs" / "timeline-json.md").read_text(encoding="utf-8")
    shown = re.search(r"```json\n(.*?)```", page, re.DOTALL)[1]
    assert to_json(from_dict(json.loads(shown))) == shown
    table = page.split("| field |")[1]
    assert [key for key in json.loads(shown) if f"`{key}`" not in table] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.match(r"[A-Za-z0-9-]+", line)[0] for line in lines} - {"framevote"}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert len(names) > 15
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_the_pins_hold_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 50
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def test_the_part_of_the_contributors_page_keeps_its_contract(monkeypatch):
    monkeypatch.setattr(parts, "_registered", {})
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown: dict[str, object] = {"__name__": __name__}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], shown)
    check_writer(shown["Labels"]())
