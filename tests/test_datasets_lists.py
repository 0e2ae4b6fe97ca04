"""UCF101, HMDB51, MMAction2, Kinetics and ActivityNet; the real data sets; and the page that tells of all layouts."""

import json
import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from framevote.datasets import LAYOUTS, Item, read_dataset
from framevote.errors import InputError, UsageError

ROOT = Path(__file__).resolve().parents[1]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(root, texts):
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return root


def shown(dataset):
    return {item.path.name: (item.labels, item.side) for item in dataset.items}


UCF = {
    "trainlist01.txt": "Typing/v_Typing_g08_c01.avi 2\nArchery/v_Archery_g09_c01.avi 1\n",
    "testlist01.txt": "Typing/v_Typing_g01_c01.avi\nArchery/v_Archery_g01_c02.avi\n",
    "trainlist02.txt": "Typing/v_Typing_g01_c01.avi 2\nArchery/v_Archery_g01_c02.avi 1\n",
    "testlist02.txt": "Typing/v_Typing_g08_c01.avi\n",
    "classInd.txt": "1 Typing\n2 Archery\n",
}
UCF_CLIPS = [line.split()[0] for line in (UCF["trainlist01.txt"] + UCF["testlist01.txt"]).splitlines()]


@pytest.mark.parametrize(("lists", "videos"), [("", ""), ("ucfTrainTestlist/", "UCF-101/"), ("", "videos/"), ("splits/", "")])
def test_ucf101_wherever_its_lists_lie(lists, videos, tmp_path):
    touch(tmp_path, *(videos + clip for clip in UCF_CLIPS))
    write(tmp_path, {lists + name: text for name, text in UCF.items()})
    for path in (tmp_path, tmp_path / f"{lists}testlist01.txt"):
        dataset = read_dataset(path)
        assert (dataset.layout, dataset.labels, dataset.problems) == ("ucf101", ("Typing", "Archery"), ())  # as classInd has them
        sides = [(item.path.relative_to(tmp_path / videos).as_posix(), item.side, item.group) for item in dataset.items]
        expected = zip(UCF_CLIPS, ["train", "train", "test", "test"], ["g08", "g09", "g01", "g01"], strict=True)
        assert sorted(sides) == sorted(expected)
    second = read_dataset(tmp_path / f"{lists}trainlist02.txt")
    assert Counter(item.side for item in second.items) == {"train": 2, "test": 1}


def test_ucf101_with_missing_clips(tmp_path):
    touch(tmp_path / "set", *UCF_CLIPS[:3])
    touch(tmp_path / "beside", *UCF_CLIPS)  # another's, which has nothing to do with it
    write(tmp_path / "set", {**UCF, "trainlist01.txt": UCF["trainlist01.txt"] + "v_nowhere.avi 1\nGone/v_Gone_g01_c01.avi 3\n"})
    dataset = read_dataset(tmp_path / "set")
    assert len(dataset) == 3
    told = " ".join(map(str, dataset.problems))
    assert "names no class" in told
    assert "testlist01.txt, line 2: " in told
    assert "the class Gone is left out" in told
    with pytest.raises(InputError, match="nothing that can be used: 5 problems"):
        read_dataset(write(tmp_path / "alone", {"lists/trainlist01.txt": "".join(f"a/{n}.avi 1\n" for n in range(5))}))


def test_one_clip_on_both_sides_is_refused(tmp_path):
    touch(tmp_path, *UCF_CLIPS)
    write(tmp_path, {**UCF, "testlist01.txt": UCF["trainlist01.txt"]})
    with pytest.raises(InputError, match=r"v_Typing_g08_c01\.avi on two sides, test and train"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("lists", ["", "testTrainMulti_7030_splits/"])
def test_hmdb51(lists, tmp_path):
    touch(tmp_path, "brush_hair/a (1).avi", "brush_hair/b.avi", "brush_hair/c.avi", "run/d.avi", "run/e.avi")
    texts = {"brush_hair_test_split1": "a (1).avi 1 \nb.avi 2 \nc.avi 0 \n", "run_test_split1": "d.avi 1\ne.avi 2\ngone.avi 1\nbad\n"}
    texts |= {"brush_hair_test_split2": "a (1).avi 2\nc.avi 1\n", "run_test_split2": "d.avi 0\ne.avi 1\n"}
    write(tmp_path, {f"{lists}{name}.txt": text for name, text in texts.items()})
    dataset = read_dataset(tmp_path)
    hair, run = ("brush_hair",), ("run",)
    expected = {"a (1).avi": (hair, "train"), "b.avi": (hair, "test"), "d.avi": (run, "train"), "e.avi": (run, "test")}
    assert (dataset.layout, shown(dataset)) == ("hmdb51", expected)
    assert [problem.where for problem in dataset.problems] == ["run_test_split1.txt, line 4", "run_test_split1.txt, line 3"]
    second = read_dataset(tmp_path / f"{lists}run_test_split2.txt")
    assert shown(second) == {"a (1).avi": (hair, "test"), "c.avi": (hair, "train"), "e.avi": (run, "train")}


def test_mmaction2(tmp_path):
    touch(tmp_path, "videos/a b.mp4", "videos/c.mp4", "videos/d.mp4")
    train, val = "a b.mp4 10\nc.mp4 2\n", "d.mp4 10\n"
    write(tmp_path, {"my_train_list_videos.txt": train, "my_val_list_videos.txt": val})
    dataset = read_dataset(tmp_path)
    assert (dataset.layout, dataset.labels, dataset.several) == ("mmaction2", ("2", "10"), False)  # in the numbers' order
    assert shown(dataset) == {"a b.mp4": (("10",), "train"), "c.mp4": (("2",), "train"), "d.mp4": (("10",), "validation")}
    single = read_dataset(tmp_path / "my_train_list_videos.txt")
    assert shown(single) == {"a b.mp4": (("10",), ""), "c.mp4": (("2",), "")}


def test_mmaction2_with_names_and_several_labels(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    write(tmp_path, {"list.txt": "a.mp4 1 0\nb.mp4 2\nc.mp4 7\n", "label_map.txt": "zebra\nant\nbee, wild\n"})
    dataset = read_dataset(tmp_path / "list.txt")
    assert (dataset.labels, dataset.several) == (("zebra", "ant", "bee, wild"), True)
    assert shown(dataset) == {"a.mp4": (("ant", "zebra"), ""), "b.mp4": (("bee, wild",), "")}
    assert [problem.reason for problem in dataset.problems] == ["the class 7 is none of the 3 that the list of classes names"]


def test_two_labels_where_the_layout_has_one_are_refused(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    lines = "label,youtube_id,time_start,time_end\nx,a,0,9\ny,b,0,9\ny,a,0,9\n"
    write(tmp_path, {"list.txt": "a.mp4 1\nb.mp4 2\na.mp4 2\n", "k.csv": lines, "several.txt": "a.mp4 1\nb.mp4 2\na.mp4 2\nc.mp4 1 2\n"})
    for name, labels in (("list.txt", "1 and 2"), ("k.csv", "x and y")):
        with pytest.raises(InputError, match=rf"a\.mp4 two labels, {labels}\. Expected one"):
            read_dataset(tmp_path / name)
    assert shown(read_dataset(tmp_path / "several.txt"))["a.mp4"] == (("1", "2"), "")


def test_lists_of_raw_frames_are_refused(tmp_path):
    write(tmp_path, {"train_list.txt": "some/folder 163 1\nother/folder 258 0\n"})
    for path in (tmp_path, tmp_path / "train_list.txt"):
        with pytest.raises(InputError, match=r"lists folders of raw frames \(line 'some/folder 163 1'\).*Expected videos"):
            read_dataset(path)


KINETICS = (
    "label,youtube_id,time_start,time_end,split\n"
    "playing drums,-abc,5,15,train\nplaying drums,def_g,0,10,validate\nabseiling,hij,20,30,test\nabseiling,-abc,40,50,train\n"
)


def test_kinetics(tmp_path):
    write(tmp_path, {"kinetics.csv": KINETICS + "abseiling,gone,1,11,train\nabseiling,,1,11,train\nabseiling,hij,9,3,test\n"})
    touch(tmp_path, "train/playing drums/-abc_000005_000015.mp4", "val/def_g.mkv", "test/hij_000020_000030.webm", "test/hij.txt")
    touch(tmp_path, "elsewhere/-abc.mp4")
    for path in (tmp_path, tmp_path / "kinetics.csv"):
        dataset = read_dataset(path)
        assert (dataset.layout, dataset.labels) == ("kinetics", ("abseiling", "playing drums"))
        assert set(dataset.items) == {
            Item(tmp_path / "train/playing drums/-abc_000005_000015.mp4", ("playing drums",), "video", group="-abc", side="train"),
            Item(tmp_path / "val/def_g.mkv", ("playing drums",), "video", 0, 10, "def_g", "validation"),
            Item(tmp_path / "test/hij_000020_000030.webm", ("abseiling",), "video", group="hij", side="test"),
            Item(tmp_path / "elsewhere/-abc.mp4", ("abseiling",), "video", 40, 50, "-abc", "train"),
        }
        told = {problem.where: problem.reason for problem in dataset.problems}
        assert told["kinetics.csv, line 6"] == "the video gone is not on disk"
        assert told["kinetics.csv, line 7"] == "the youtube_id is empty"
        assert "expected a start from 0 on and a later end" in told["kinetics.csv, line 8"]


def test_kinetics_takes_the_file_in_the_folder_of_its_label(tmp_path):
    write(tmp_path, {"annotations/k.csv": KINETICS})
    touch(tmp_path, *(f"{label}/{video}.mp4" for label, video in product(("abseiling", "playing drums"), ("-abc", "def_g", "hij"))))
    whole = read_dataset(tmp_path / "annotations/k.csv")
    touch(tmp_path, *(f"{label}/-abc_000005_000015.mp4" for label in ("abseiling", "playing drums")))
    cut = read_dataset(tmp_path / "annotations/k.csv")
    assert sum(item.end is None for item in cut.items) == 1
    assert all(item.path.parent.name == item.labels[0] for item in (*whole.items, *cut.items))


def test_kinetics_without_what_it_needs_is_refused(tmp_path):
    cases = {"youtube_id,time_start,time_end,split\na,1,2,test\n": "has no column label", KINETICS: "nothing that can be used"}
    cases |= {KINETICS.replace("validate", "sometimes"): "the split is 'sometimes'"}
    for text, said in cases.items():
        with pytest.raises(InputError, match=said):
            read_dataset(write(tmp_path, {"k.csv": text}) / "k.csv")


ACTIVITYNET = {
    "version": "VERSION 1.3",
    "database": {
        "aaa": {
            "subset": "training",
            "duration": 60,
            "annotations": [{"segment": [1.5, 10], "label": "Rafting"}, {"segment": [20, 30], "label": "Skiing"}],
        },
        "bbb": {"subset": "validation", "annotations": [{"segment": [0, 5], "label": "Skiing"}]},
        "ccc": {"subset": "testing", "annotations": []},
        "ddd": {"subset": "training", "annotations": [{"segment": [0, 5], "label": "Skiing"}, {"segment": [6, 8], "label": "Skiing"}]},
        "eee": {"subset": "training", "annotations": [{"segment": [9, 5], "label": "Skiing"}, {"segment": ["x", 1], "label": "Skiing"}]},
        "fff": {"subset": "training", "annotations": [{"segment": [1, 5]}, {"segment": [2], "label": "Skiing"}]},
        "ggg": {"subset": "training"},
    },
}


def test_activitynet(tmp_path):
    write(tmp_path, {"activity_net.v1-3.min.json": ACTIVITYNET})
    touch(tmp_path, "videos/v_aaa.mp4", "videos/bbb.webm", "eee.mp4", "fff.mp4")
    for path in (tmp_path, tmp_path / "activity_net.v1-3.min.json"):
        dataset = read_dataset(path)
        assert (dataset.layout, dataset.several) == ("activitynet", False)
        assert dataset.items == (
            Item(tmp_path / "videos/v_aaa.mp4", ("Rafting",), "video", 1.5, 10, "aaa", "train"),
            Item(tmp_path / "videos/v_aaa.mp4", ("Skiing",), "video", 20, 30, "aaa", "train"),
            Item(tmp_path / "videos/bbb.webm", ("Skiing",), "video", 0, 5, "bbb", "validation"),
        )
        told = Counter(problem.where.rpartition(" ")[2] for problem in dataset.problems)
        assert told == {"ccc": 1, "ddd": 1, "eee": 2, "fff": 2, "ggg": 1}


JSON = {
    "cut": ('{"database": {"a"', "is no JSON"),
    "a list": ("[1]", "no ground truth of ActivityNet's kind.*Received: list"),
    "other keys": ('{"images": [], "categories": []}', "Received: the keys images, categories"),
    "results": ('{"version": "1", "results": {"a": [{"label": "x", "score": 1}]}}', "holds results .*not ground truth"),
    "nothing": ('{"database": {}}', "no ground truth"),
    "a subset": ('{"database": {"a": {"subset": "odd", "annotations": [{"label": "x"}]}}}', "the split is 'odd'"),
    "no videos": (json.dumps(ACTIVITYNET), "nothing that can be used"),
}


@pytest.mark.parametrize("case", JSON)
def test_json_that_is_none_of_these_is_refused(case, tmp_path):
    text, said = JSON[case]
    with pytest.raises(InputError, match=said) as told:
        read_dataset(write(tmp_path, {"a.json": text}) / "a.json")
    assert "Expected" in str(told.value)


@pytest.mark.parametrize(
    ("name", "pattern", "classes", "count", "kind"),
    [("sports", "*/*.jpg", 6, 2395, "photo"), ("signs", "*/*.mp4", 10, 400, "video"), ("weizmann", "*/*.avi", 10, 93, "video")],
)
def test_real_class_folders(name, pattern, classes, count, kind, shared):
    dataset = read_dataset(shared / name)
    files = sorted((shared / name).glob(pattern))
    assert (len(dataset), len(dataset.labels), dataset.problems) == (count, classes, ())
    assert [item.path for item in dataset.items] == files
    assert [item.labels for item in dataset.items] == [(file.parent.name,) for file in files]
    assert {item.kind for item in dataset.items} == {kind}


def test_real_signs_by_signer(shared):
    dataset = read_dataset(shared / "signs", group_by=r"user(\d+)")
    assert Counter(item.group for item in dataset.items) == {f"{signer:02}": 50 for signer in range(1, 9)}


def test_real_scenes_with_sides(shared):
    dataset = read_dataset(shared / "scene15")
    assert Counter(item.side for item in dataset.items) == {"train": 1500, "test": 450}
    assert all(item.side in item.path.parts and item.labels[0] in item.path.parts for item in dataset.items)


def test_real_annotations(shared):
    folder = shared / "annotations"
    voc = read_dataset(folder / "voc")
    names = re.findall(r"<object>\s*<name>(.*?)</name>", (folder / "voc/Annotations/2007_000001.xml").read_text())
    assert shown(voc) == {"2007_000001.jpg": (tuple(dict.fromkeys(names)), "train")}
    kinetics = read_dataset(folder / "kinetics")
    assert shown(kinetics) == {"video_1.avi": (("label_0",), "test"), "3.avi": (("label_2",), "train")}
    assert len(kinetics.problems) == 2
    for path in sorted((folder / "activitynet").glob("*.json")):
        with pytest.raises(InputError, match="holds results"):
            read_dataset(path)
    for path in ("coco/annotations/instances_train.json", "label_studio/data.json"):
        with pytest.raises(InputError, match="no ground truth"):
            read_dataset(folder / path)


def test_the_page_tells_of_every_layout():
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    table = page.partition("## Layouts")[2].partition("## Manifests")[0]
    assert re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE) == list(LAYOUTS.items())


def test_the_manifest_of_the_page_is_read(tmp_path):
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    touch(tmp_path, "match1.mp4", "photos/a.jpg", "clips/b, final.mp4")
    dataset = read_dataset(write(tmp_path, {"m.csv": re.search(r"```csv\n(.*?)```", page, re.DOTALL)[1]}) / "m.csv")
    assert dataset.problems == ()
    assert [item.labels for item in dataset.items] == [("tennis",), ("break",), ("tennis", "outdoor"), ("swimming", "indoor")]
    assert [item.side for item in dataset.items] == ["train", "train", "test", "test"]


def test_the_groups_of_the_page_are_found(tmp_path):
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", page.partition("## Groups")[2], re.MULTILINE)
    assert len(rows) == 3
    for number, (expression, path, group) in enumerate(rows):
        touch(tmp_path / str(number), path, f"other/{path}")
        try:
            groups = {item.path: item.group for item in read_dataset(tmp_path / str(number), "folders", expression).items}
        except UsageError as error:
            pytest.fail(str(error))
        assert groups[tmp_path / str(number) / path] == group


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_layout_stumbles_over_odd_paths(layout, tmp_path):
    touch(tmp_path, "folder/odd.csv", "folder/odd.json", "folder/list.txt", "folder/metadata.csv", "empty.csv", "empty.json", "empty.txt")
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)))
    (tmp_path / "bytes.json").write_bytes(bytes(range(256)))
    (tmp_path / "bytes.txt").write_bytes(bytes(range(256)))
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff[[[[\n")
    for path in [tmp_path, *tmp_path.iterdir()]:
        with pytest.raises(InputError):
            read_dataset(path, layout)
