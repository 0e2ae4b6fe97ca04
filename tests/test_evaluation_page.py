"""The report: what the page says and shows, in a browser too, and metrics.json."""

import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
import warnings
import xml.etree.ElementTree as ET
from base64 import b64decode
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import made_models
import numpy as np
import pytest
from made_items import film, photo
from PIL import Image

from framevote.colours import label_colours
from framevote.datasets import Dataset, Item
from framevote.errors import MissingExtra, OutputError
from framevote.evaluation import Answers, check_report, classify, evaluate, metrics_json, write_report
from framevote.evaluation.page import render_page
from framevote.evaluation.plots import confusion_plot, curves_plot, most_confused, reliability_plot
from framevote.evaluation.wording import shortened, shown

HOSTILE = ("<script>alert(1)</script>", 'a "quoted", $x_1$ & co', "蓝\x00色\x1b 😀")


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """A model whose three labels are hostile, on photos and a film; one photo is answered wrongly, one cannot be read."""
    folder = tmp_path_factory.mktemp("page")
    model = made_models.model_file(folder / "colours.fvm", labels=HOSTILE, name="<b>colours</b>")
    data = folder / "data"
    data.mkdir()
    items = [photo(data, colour, told=label) for colour, label in zip(("red", "green", "blue"), HOSTILE, strict=True) for _ in range(3)]
    items.append(photo(data, "red", HOSTILE[1], name="<img src=x onerror=alert(2)>\udc80.png"))
    items.append(photo(data, "grey", "stranger"))
    (data / "torn.png").write_bytes(b"")
    items.append(Item(data / "torn.png", (HOSTILE[0],)))
    video = film(data / "film.mp4", ("red", 2), ("green", 2))
    items += [Item(video, (HOSTILE[0],), "video", 0, 2), Item(video, (HOSTILE[2],), "video", 2, 4)]
    told = evaluate(model, Dataset(tuple(items), (*HOSTILE, "stranger"), layout="made"), unknown=0.6)
    training = {"accuracy": 0.951, "random_split_accuracy": 0.987, "temperature": 1.25, "lost": float("nan")}
    return replace(told, making=replace(told.making, training=training))


@pytest.fixture(scope="module")
def page(evaluation):
    return render_page(evaluation)


class Reader(HTMLParser):
    """The tags and the text of a page, as a browser without scripts takes it."""

    void = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


def test_the_page_is_whole_and_asks_for_nothing(page):
    reader = Reader(page)
    names = [tag for tag, _ in reader.tags]
    assert reader.open == []
    assert not {"script", "iframe", "link", "object", "form"} & set(names)
    assert [a for _, attrs in reader.tags for a in attrs if a.startswith("on")] == []
    sources = [value for _, attrs in reader.tags for name, value in attrs.items() if name in ("src", "href", "srcset", "xlink:href")]
    assert len(sources) >= 6
    assert [source for source in sources if not source.startswith("data:image/")] == []
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_pictures_have_words_and_tables_have_heads(page):
    reader = Reader(page)
    pictures = [attrs for tag, attrs in reader.tags if tag == "img"]
    assert all(attrs["alt"].strip() for attrs in pictures)
    assert all(attrs["aria-label"] for tag, attrs in reader.tags if tag == "svg")
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in reader.tags if tag == "th")
    assert [tag for tag, _ in reader.tags].count("table") == [tag for tag, _ in reader.tags].count("caption")
    assert dict(reader.tags)["html"] == {"lang": "en"}
    ids = {attrs["id"] for _, attrs in reader.tags if "id" in attrs}
    assert {attrs["aria-labelledby"] for _, attrs in reader.tags if "aria-labelledby" in attrs} <= ids


def test_the_page_says_what_was_found(page, evaluation):
    text = " ".join("".join(Reader(page).text).split())
    value = evaluation.classification.figures["top1"].value
    assert value == pytest.approx(10 / 12)
    assert f"83.3 % ({100 * evaluation.classification.figures['top1'].low:.1f}–" in text
    assert "of 12 photos and clips are named rightly." in text
    assert "Training measured 95.1 % on groups that it had not seen." in text
    assert "Of classes that the model does not know, there are more items (1)." in text
    assert "50.0 % of 4.0 labelled seconds in one video show the true label." in text
    assert "torn.png" in text
    assert evaluation.making.fingerprint in text
    for label in HOSTILE:
        assert shown(label) in text
    assert "<b>colours</b>" in text


def test_mistakes_are_shown_small_with_the_name_of_their_file(page, evaluation):
    reader = Reader(page)
    titles = [attrs["title"] for tag, attrs in reader.tags if tag == "figure" and "title" in attrs]
    assert sorted(titles) == sorted(shown(mistake.item.path.name) for mistake in evaluation.mistakes())
    assert "<img src=x onerror=alert(2)>\ufffd.png" in titles
    thumbs = [attrs["src"] for tag, attrs in reader.tags if tag == "img" and attrs["src"].startswith("data:image/jpeg")]
    assert len(thumbs) == len(titles) == 2
    pictures = [Image.open(BytesIO(b64decode(uri.partition(",")[2]))) for uri in thumbs]
    assert all(max(picture.size) <= 200 for picture in pictures)
    red, green = sorted((picture.resize((1, 1)).getpixel((0, 0)) for picture in pictures), reverse=True)
    assert red[0] > 120 > red[1]  # the photo, and the middle of the film's second piece
    assert green[1] > 120 > green[0]


def test_a_picture_that_is_gone_is_no_end(evaluation):
    gone = replace(evaluation, items=tuple(replace(item, path=item.path.with_name("gone.png"), kind="photo") for item in evaluation.items))
    assert "no picture" in render_page(gone)


def test_timelines_have_the_colours_of_their_labels(page):
    bars = [attrs for tag, attrs in Reader(page).tags if tag == "rect"]
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in label_colours([HOSTILE[0], HOSTILE[2], HOSTILE[1]]).values()]
    assert [bar["fill"] for bar in bars] == [colours[0], colours[1], colours[0], colours[2]]
    assert [float(bar["x"]) for bar in bars] == pytest.approx([0, 500, 0, 500], abs=1)
    assert [float(bar["width"]) for bar in bars] == pytest.approx([500] * 4, abs=1)


def svg(uri):
    return ET.fromstring(b64decode(uri.partition(",")[2]))


def svg_texts(uri):
    return ["".join(node.itertext()) for node in svg(uri).iter("{http://www.w3.org/2000/svg}text")]


def test_plots_are_drawings_with_the_labels_as_they_are(page):
    plots = [attrs["src"] for tag, attrs in Reader(page).tags if tag == "img" and "svg" in attrs["src"][:20]]
    texts = [text for uri in plots for text in svg_texts(uri)]
    assert len(plots) == 4
    assert shortened(HOSTILE[0], 24) in texts
    assert HOSTILE[1] in texts
    assert "蓝\ufffd色\ufffd 😀" in texts


@pytest.mark.parametrize("classes", [1, 6, 30, 200, 1000])
def test_confusion_is_readable_for_any_number_of_classes(classes):
    random = np.random.default_rng(0)
    confusion = np.diag(random.integers(1, 9, classes))
    wrong = random.integers(0, classes, (40, 2))
    np.add.at(confusion, (wrong[:, 0], wrong[:, 1]), 1)
    chosen = most_confused(confusion)
    drawn = confusion_plot(confusion, [f"class {number}" for number in range(classes)])
    texts = svg_texts(drawn.uri)
    assert len(chosen) == min(classes, 30)
    assert drawn.width <= 1056
    assert [texts.count(f"class {number}") for number in chosen] == [2] * len(chosen)
    counts = [str(count) for count in confusion[np.ix_(chosen, chosen)].ravel() if count]
    assert sorted(text for text in texts if text.isdigit()) == sorted(counts)


def test_the_most_confused_pair_is_always_drawn():
    confusion = np.diag(np.full(100, 50))
    confusion[97, 3] = 9
    assert set(most_confused(confusion)) == {3, 97}
    assert most_confused(np.diag(np.full(100, 5))).tolist() == list(range(30))


def test_plots_are_the_same_twice_and_without_a_users_style():
    random = np.random.default_rng(1)
    targets = np.arange(3) == random.integers(0, 3, 50)[:, None]
    answers = Answers(random.dirichlet([1, 1, 1], 50), targets, ("a", "b", "c"))
    result = classify(answers, rounds=2)
    draw = [lambda: curves_plot(answers, result.classes), lambda: reliability_plot(result.reliability, 0.1)]
    import matplotlib as mpl

    plain = [each().uri for each in draw]
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "axes.facecolor": "red"}):
        assert [each().uri for each in draw] == plain
        assert mpl.rcParams["font.size"] == 30


def test_metrics_json_says_the_same(evaluation):
    told = json.loads(metrics_json(evaluation))
    figures = evaluation.classification.figures
    assert (told["format"], told["version"]) == ("framevote.evaluation", 1)
    assert told["figures"]["top1"] == {name: round(getattr(figures["top1"], name), 6) for name in ("value", "low", "high")}
    assert told["data"]["items"] == 12
    assert told["data"]["strangers"] == 1
    assert sum(cell["items"] for cell in told["confusion"]) == 12
    assert {row["label"]: row["items"] for row in told["classes"]} == dict(zip(HOSTILE, (4, 4, 4), strict=True))
    assert sum(row["answers"] for row in told["reliability"]) == 12
    assert told["timelines"]["frame_accuracy"] == 0.5
    assert told["unknown"]["strangers_caught"]["value"] == 1.0
    assert told["training"] == {"accuracy": 0.951, "random_split_accuracy": 0.987, "temperature": 1.25, "lost": None}
    assert len(told["mistakes"]) == 2


def test_metrics_json_has_the_keys_of_the_documentation(evaluation):
    text = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    told = json.loads(metrics_json(evaluation))
    keys = {*told, *told["model"], *told["data"], *told["figures"], *told["unknown"], *told["timelines"], *told["timelines"]["delay"]}
    keys |= {key for name in ("classes", "confusion", "reliability", "mistakes", "problems") for key in told[name][0]}
    assert sorted(key for key in keys if f"`{key}`" not in text) == []


def test_a_report_that_exists_is_kept(evaluation, tmp_path):
    assert write_report(evaluation, tmp_path / "a" / "b") == tmp_path / "a" / "b" / "index.html"
    (tmp_path / "a" / "b" / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        write_report(evaluation, tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "index.html").read_text() == "mine"
    write_report(evaluation, tmp_path / "a" / "b", overwrite=True)
    assert (tmp_path / "a" / "b" / "index.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file has that name"):
        check_report(tmp_path / "file")


@pytest.mark.parametrize(("module", "package"), [("sklearn", "scikit-learn"), ("matplotlib", "matplotlib"), ("jinja2", "jinja2")])
def test_an_absent_package_is_told(module, package, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == module else find(name, *rest))
    with pytest.raises(MissingExtra, match=rf"needs the package {package}, .*framevote\[evaluate\]"):
        check_report(tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_words():
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 6) == "abc…jk"
    assert shown("a\nb\udcff") == "a\ufffdb\ufffd"


@cache
def browser() -> str:
    """Chromium's program; installed where it may be, else the test is skipped, and fails in CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
            subprocess.run(command, capture_output=True, check=False, timeout=250)
    if found := shutil.which("chromium"):
        return found
    refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    return refuse("there is no Chromium, and it cannot be installed")


_QUIET = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync"


def test_a_browser_shows_the_page_without_a_network(evaluation, tmp_path):
    page = write_report(evaluation, tmp_path)
    # A line of the test's own: what of each picture the browser could draw, and what asks for a script, is written into the page.
    probe = "<script>addEventListener('load',()=>{document.body.dataset.drawn=[...document.images].map(i=>i.naturalWidth).join()})</script>"
    text = page.read_text(encoding="utf-8")
    opened = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace("</body>", f"{probe}</body>")
    page.write_text(opened, encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [browser(), *_QUIET.split(), profile, "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    dom = html.unescape(done.stdout)
    drawn = [int(width) for width in re.search(r'data-drawn="([\d,]+)"', dom)[1].split(",")]
    assert len(drawn) == 6
    assert all(width > 0 for width in drawn)
    assert "83.3 % (" in dom
    assert "50.0 % of 4.0 labelled seconds" in dom
    assert done.stdout.count("<script>") == 1  # the probe alone: a label is text
    assert done.stdout.count("<rect ") == 4


def test_a_page_of_one_class_and_no_mistake(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    told = evaluate(made_models.model_file(tmp_path / "c.fvm"), Dataset((photo(data, "red"),), ("red",)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = "".join(Reader(render_page(told)).text)
    assert "100.0 % (–) of 1 photo is named rightly" in text
    assert "every answer was right" in text
