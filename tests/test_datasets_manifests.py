"""Manifests: CSV, JSONL, Parquet, and Hugging Face's metadata files."""

import csv
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from framevote.datasets import Item, read_dataset
from framevote.errors import InputError, MissingExtra, UsageError

ROWS = [
    {"path": "a.mp4", "label": "tennis", "start": 1.5, "end": 3, "group": "x", "split": "train"},
    {"path": "a.mp4", "label": "boxing", "start": 3, "end": None, "group": "x", "split": "Testing"},
    {"path": "deep/b.jpg", "label": "boxing", "start": None, "end": None, "group": "", "split": ""},
]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def write_parquet(path, rows):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def csv_of(rows, mark=","):
    lines = [mark.join(rows[0]), *(mark.join("" if cell is None else str(cell) for cell in row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


WRITERS = {
    "commas": lambda folder: write(folder / "c.csv", csv_of(ROWS)),
    "semicolons": lambda folder: write(folder / "c.csv", csv_of(ROWS, ";")),
    "tabs": lambda folder: write(folder / "c.tsv", csv_of(ROWS, "\t")),
    "byte order mark and CRLF": lambda folder: write(folder / "c.csv", csv_of(ROWS).replace("\n", "\r\n"), "utf-8-sig"),
    "blank lines": lambda folder: write(folder / "c.csv", "\n" + csv_of(ROWS).replace("\n", "\n\n,,,,,\n")),
    "names of columns in capitals": lambda folder: write(folder / "c.csv", csv_of(ROWS).replace("path,label", "Path, LABEL ")),
    "JSONL": lambda folder: write(folder / "c.jsonl", "\n".join(map(json.dumps, ROWS))),
    "JSONL with a mark": lambda folder: write(folder / "c.ndjson", "\n".join(map(json.dumps, ROWS)), "utf-8-sig"),
    "Parquet": lambda folder: write_parquet(folder / "c.parquet", ROWS),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_list_says_the_same(kind, tmp_path):
    touch(tmp_path, "a.mp4", "deep/b.jpg")
    dataset = read_dataset(WRITERS[kind](tmp_path))
    assert (dataset.layout, dataset.labels, dataset.several, dataset.problems) == ("manifest", ("boxing", "tennis"), False, ())
    assert dataset.items == (
        Item(tmp_path / "a.mp4", ("tennis",), "video", 1.5, 3.0, "x", "train"),
        Item(tmp_path / "a.mp4", ("boxing",), "video", 3.0, None, "x", "test"),
        Item(tmp_path / "deep/b.jpg", ("boxing",), side="train"),
    )


def test_paths_count_from_the_manifest_or_are_absolute(tmp_path, monkeypatch):
    touch(tmp_path, "lists/a.jpg", "b.jpg", "far/c.jpg")
    path = write(tmp_path / "lists/m.csv", f"path,label\n./a.jpg,x\n../b.jpg,y\n{tmp_path}/far/c.jpg,x\nx/../a.jpg,x\n")
    monkeypatch.chdir(tmp_path / "far")
    expected = [tmp_path / "lists/a.jpg", tmp_path / "b.jpg", tmp_path / "far/c.jpg"]
    assert [item.path for item in read_dataset(path).items] == expected  # one file by two names is one item
    monkeypatch.chdir(tmp_path / "lists")
    assert [item.path for item in read_dataset("m.csv").items] == [Path("a.jpg"), Path("../b.jpg"), tmp_path / "far/c.jpg"]


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("x", ("x",)),
        ("x|y", ("x", "y")),
        ("x | y|x", ("x", "y")),
        ('"[""x"", ""a|b, c""]"', ("x", "a|b, c")),
        ("[]", ()),
        ('"[draft], ""x"""', ('[draft], "x"',)),
        ("🏀 a/b", ("🏀 a/b",)),
    ],
)
def test_labels_in_a_cell(cell, labels, tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    dataset = read_dataset(write(tmp_path / "m.csv", f"path,label\n1.jpg,{cell}\n2.jpg,p\n3.jpg,q\n"))
    assert dataset.items[0].labels == labels
    assert dataset.several is (len(labels) != 1)
    assert dataset.labels == tuple(sorted({*labels, "p", "q"}))


def test_rows_of_the_same_piece_add_their_labels(tmp_path):
    touch(tmp_path, "a.mp4")
    rows = "a.mp4,run,0,5\na.mp4,jump,5,9\na.mp4,shout,0,5.0\na.mp4,run,0,5\n"
    dataset = read_dataset(write(tmp_path / "m.csv", f"path,label,start,end\n{rows}"))
    assert [(item.labels, item.start, item.end) for item in dataset.items] == [(("run", "shout"), 0, 5), (("jump",), 5, 9)]
    assert dataset.several
    assert {item.group for item in dataset.items} == {str(tmp_path / "a.mp4")}


def test_labels_that_are_numbers(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    for path in (
        write(tmp_path / "m.jsonl", '{"path": "1.jpg", "label": 3}\n{"path": "2.jpg", "label": [10, 3]}\n'),
        write_parquet(tmp_path / "m.parquet", [{"path": "1.jpg", "label": [3.0]}, {"path": "2.jpg", "label": [10.0, 3.0]}]),
    ):
        assert [item.labels for item in read_dataset(path).items] == [("3",), ("10", "3")]


LABELS = some.text(some.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(str.strip)
TIMES = some.tuples(some.floats(0, 1e6), some.floats(1e-3, 1e4)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(rows=some.lists(some.tuples(LABELS, TIMES), min_size=1, max_size=8), mark=some.sampled_from(",;\t"), bom=some.booleans())
def test_what_csv_writes_is_read_back(rows, mark, bom, tmp_path_factory):
    folder = touch(tmp_path_factory.mktemp("round"), "a, b;c\td.mp4", "1.jpg", "2.jpg")
    # Labels that look alike are refused, and several in a cell are another test: so each has a number, and stands in a list.
    named = [(f"{number}{label}", times) for number, (label, times) in enumerate(rows)]
    with (folder / "m.csv").open("w", newline="", encoding="utf-8-sig" if bom else "utf-8") as file:
        writer = csv.writer(file, delimiter=mark)
        writer.writerow(["path", "label", "start", "end", "note"])
        writer.writerows(["a, b;c\td.mp4", json.dumps([label]), start, end, label] for label, (start, end) in named)
        writer.writerows([[f"{number}.jpg", f"other {number}", "", "", ""] for number in (1, 2)])
    dataset = read_dataset(folder / "m.csv")
    expected: dict[tuple[float, float], list[str]] = {}
    for label, times in named:
        expected.setdefault(times, []).append(label)
    assert {(item.start, item.end): list(item.labels) for item in dataset.items[:-2]} == expected
    assert dataset.problems == ()


@given(label=LABELS.filter(lambda label: "|" not in label and not label.strip().startswith("[")))
def test_a_plain_label_is_kept_as_it_stands(label, tmp_path_factory):
    folder = touch(tmp_path_factory.mktemp("plain"), "1.jpg", "2.jpg")
    with (folder / "m.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "label"], ["1.jpg", label], ["2.jpg", f"not {label}"]])
    assert read_dataset(folder / "m.csv").items[0].labels == (label,)


def test_problems_are_listed_row_by_row(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "p.jpg")
    bad = {
        "gone.mp4,x,,": "is not on disk",
        "a.txt,x,,": "neither photo nor video",
        "a.mp4,,,": "the label is ''",
        "a.mp4,x|,,": "the label is 'x|'",
        '"a.mp4","[[""x""]]",,': "expected a text, or a list of texts",
        ",x,,": "the path is empty",
        "a.mp4,x,soon,": "the start is 'soon'",
        "a.mp4,x,NaN,": "the start is 'NaN'",
        "a.mp4,x,-1,": "the start is '-1'",
        "a.mp4,x,0,inf": "the end is 'inf'",
        "a.mp4,x,3,2": "the end, 2, is not after the start, 3",
        "a.mp4,x,3,3": "is not after the start",
        "p.jpg,x,1,2": "is a photo, and has no start",
        "a.mp4,x,y,1,2": "5 cells, where the first line has 4",
        "a.mp4,x": "2 cells, where the first line has 4",
        "a\0b.mp4,x,,": "a\\x00b.mp4' is not on disk",
        f"{'a' * 300}.mp4,x,,": "cannot be looked at: File name too long",
    }
    path = write(tmp_path / "m.csv", "path,label,start,end\n" + "\n".join(bad) + "\na.mp4,x,,\nb.mp4,y,,\n")
    dataset = read_dataset(path)
    assert [item.labels for item in dataset.items] == [("x",), ("y",)]
    told = {problem.where: problem.reason for problem in dataset.problems}
    for number, said in enumerate(bad.values(), start=2):
        assert said in told[f"m.csv, line {number}"], (number, said)
    assert len(told) == len(bad)


def test_a_missing_file_is_told_once_and_a_lost_class_by_its_name(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    rows = "".join(f"gone.mp4,z,{number},{number + 1}\n" for number in range(5))
    dataset = read_dataset(write(tmp_path / "m.csv", f"path,label,start,end\na.mp4,x,,\nb.mp4,y,,\n{rows}"))
    assert dataset.problems[0].reason == f"{tmp_path}/gone.mp4 is not on disk"
    assert dataset.problems[1].reason == "the class z is left out: none of its 5 items can be used"
    assert (len(dataset.problems), dataset.labels) == (2, ("x", "y"))


REFUSED = {
    "no label": ("file,label\n1.jpg,x\n", "no column path. Expected the columns path,label.*Received: 'file', 'label'"),
    "neither": ("1.jpg,x\n2.jpg,y\n", "no column path and no column label"),
    "two of a name": ("path,label,Label\n1.jpg,x,y\n", "several columns named 'label'"),
    "start_time": ("path,label,start_time\n1.jpg,x,0\n", "a column 'start_time', which may mean 'start'"),
    "subset": ("path,label,subset\n1.jpg,x,train\n", "a column 'subset', which may mean 'split'"),
    "split": ("path,label,split\n1.jpg,x,train\n2.jpg,y,trian\n", "line 3: the split is 'trian'. Expected one of train, training"),
    "empty": ("", "has no rows"),
    "header only": ("path,label\n\n", "has no rows"),
    "all rows wrong": ("path,label\n1.jpg,\n2.jpg,  \n", "nothing that can be used: 2 problems, the first: m.csv, line 2: the label"),
    "all files missing": ("path,label\n8.jpg,x\n9.jpg,y\n", "nothing that can be used: 2 problems.*8.jpg is not on disk"),
    "no class": ("path,label\n1.jpg,[]\n2.jpg,[]\n", "no class at all"),
    "alike": ("path,label\n1.jpg,Tennis\n2.jpg,tennis\n", "differ only in case"),
    "blanks": ("path,label\n1.jpg,tennis\n2.jpg,tennis \n", "surrounding blanks"),
    "an open quote": ('path,label\n1.jpg,"x\n2.jpg,y\n', "is no CSV"),
    "two sides": ("path,label,split\n1.jpg,x,train\n2.jpg,y,\n1.jpg,x,test\n", "on two sides, train and test"),
    "two groups": ("path,label,start,group\na.mp4,x,0,g\na.mp4,y,5,h\n", "into two groups, g and h"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_list_that_cannot_be_used_is_refused(case, tmp_path):
    text, said = REFUSED[case]
    touch(tmp_path, "1.jpg", "2.jpg", "a.mp4")
    with pytest.raises(InputError, match=said) as told:
        read_dataset(write(tmp_path / "m.csv", text))
    assert str(tmp_path / "m.csv") in str(told.value) or "m.csv, line" in str(told.value)
    assert "Expected" in str(told.value) or "Rename" in str(told.value)


def test_what_is_not_what_its_suffix_says_is_refused(tmp_path):
    cases = {
        "m.csv": ("path,label\n1.jpg,café\n".encode("latin-1"), "is not UTF-8 text"),
        "n.csv": ("path,label\n1.jpg,x\n".encode("utf-16"), "is not UTF-8 text"),
        "m.jsonl": (b"path,label\n1.jpg,x\n", "has no rows; 2 lines are none, the first: m.jsonl, line 1: this is no JSON"),
        "n.jsonl": (b"[1, 2]\n", "line 1: expected an object"),
        "m.parquet": (b"PAR1 not", "cannot be read as Parquet"),
    }
    for name, (data, said) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=said):
            read_dataset(tmp_path / name)


def test_one_bad_line_of_json_costs_only_itself(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    path = write(tmp_path / "m.jsonl", '{"path": "1.jpg", "label": "x"}\n{"path": \n{"path": "2.jpg", "label": "y"}\n{"path": "2.jpg"}\n')
    dataset = read_dataset(path)
    assert len(dataset) == 2
    assert [problem.where for problem in dataset.problems] == ["m.jsonl, line 2", "m.jsonl, line 4"]


def test_parquet_without_pyarrow_says_how_to_have_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=r"Reading m\.parquet needs the package pyarrow.*framevote\[parquet\]"):
        read_dataset(tmp_path / "m.parquet")


def test_groups_by_a_column(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    path = write(tmp_path / "m.csv", "path,label,group,Camera,when\n1.jpg,x,g,east,1\n2.jpg,y,g,west,\n3.jpg,y,,east,2\n")
    assert [item.group for item in read_dataset(path).items] == ["g", "g", str(tmp_path / "3.jpg")]
    assert [item.group for item in read_dataset(path, group_by="camera").items] == ["east", "west", "east"]
    assert [item.group for item in read_dataset(path, group_by=r"(\d)\.jpg").items] == ["1", "2", "3"]
    with pytest.raises(UsageError, match=r"no group for 1 of 3 items; the first is 2\.jpg.* columns path, label, group, camera, when"):
        read_dataset(path, group_by="when")


HUGGING = {
    "at the root": {"metadata.csv": "file_name,label\ntrain/1.mp4,x\ntrain/2.jpg,y\ntest/3.mp4,x\n"},
    "in each side": {
        "train/metadata.csv": "file_name,label,text\n1.mp4,x,a\n2.jpg,y,b\n",
        "test/metadata.jsonl": '{"file_name": "3.mp4", "label": "x"}\n',
    },
    "several": {"metadata.jsonl": "\n".join(f'{{"file_name": "{n}", "labels": ["{v}"]}}' for n, v in
                                           (("train/1.mp4", "x"), ("train/2.jpg", "y"), ("test/3.mp4", "x")))},
}  # fmt: skip


@pytest.mark.parametrize("case", HUGGING)
def test_hugging_face_folders(case, tmp_path):
    touch(tmp_path, "train/1.mp4", "train/2.jpg", "test/3.mp4")
    for name, text in HUGGING[case].items():
        write(tmp_path / name, text)
    dataset = read_dataset(tmp_path)
    assert (dataset.layout, dataset.several) == ("huggingface", False)
    found = [(item.path.relative_to(tmp_path).as_posix(), item.labels, item.side) for item in dataset.items]
    assert sorted(found, key=lambda item: item[0][-5]) == [
        ("train/1.mp4", ("x",), "train"),
        ("train/2.jpg", ("y",), "train"),
        ("test/3.mp4", ("x",), "test"),
    ]
    assert read_dataset(tmp_path / next(iter(HUGGING[case]))).layout == "huggingface" if case != "in each side" else True


def test_hugging_face_without_a_label_is_refused(tmp_path):
    touch(tmp_path, "1.jpg")
    write(tmp_path / "metadata.csv", "file_name,caption\n1.jpg,a dog\n")
    with pytest.raises(InputError, match=r"no column label. Expected the columns file_name,label.*'file_name', 'caption'"):
        read_dataset(tmp_path)
