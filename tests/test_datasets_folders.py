"""Class folders, and the photo sets of research that are laid out in folders of their own."""

import os
import re
import time
import unicodedata
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from framevote.datasets import Item, Problem, read_dataset
from framevote.errors import InputError, UsageError


def touch(root, *names):
    """Make empty files: nothing here is decoded."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(root, **texts):
    """Write text files by their names, in which a double underscore stands for a dot."""
    for name, text in texts.items():
        path = root / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def shown(dataset):
    """What a data set holds, as a table by the files' names."""
    return {item.path.name: (item.labels, item.side) for item in dataset.items}


def test_class_folders(tmp_path):
    touch(tmp_path, "tennis/b.JPG", "tennis/a.mp4", "tennis/deep/er/c.gif", "boxing/d.webp", "boxing/README.md", "boxing/Thumbs.db")
    touch(tmp_path, ".git/x.jpg", "tennis/.hidden.jpg", "__MACOSX/tennis/a.mp4", "notes.txt")
    dataset = read_dataset(tmp_path)
    assert (dataset.labels, dataset.several, dataset.layout, dataset.problems) == (("boxing", "tennis"), False, "folders", ())
    assert dataset.items == (
        Item(tmp_path / "boxing/d.webp", ("boxing",)),
        Item(tmp_path / "tennis/a.mp4", ("tennis",), "video"),
        Item(tmp_path / "tennis/b.JPG", ("tennis",)),
        Item(tmp_path / "tennis/deep/er/c.gif", ("tennis",), "video"),
    )
    assert read_dataset(str(tmp_path), "folders").items == dataset.items


def test_folders_of_the_sides(tmp_path):
    touch(tmp_path, "Train/a/1.jpg", "Train/b/2.jpg", "valid/a/3.jpg", "testing/b/4.jpg", "testing/a/5.mp4", "docs/x.pdf")
    dataset = read_dataset(tmp_path)
    sides = {"1.jpg": "train", "2.jpg": "train", "3.jpg": "validation", "4.jpg": "test", "5.mp4": "test"}
    assert {item.path.name: item.side for item in dataset.items} == sides
    assert dataset.labels == ("a", "b")


def test_what_stands_beside_the_sides_is_told(tmp_path):
    touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "test/3.jpg", "test/4.jpg", "val/a/5.jpg", "val/b/README.txt", "extra/6.jpg")
    dataset = read_dataset(tmp_path)
    assert set(shown(dataset)) == {"1.jpg", "2.jpg", "5.jpg"}
    told = [str(problem) for problem in dataset.problems]
    assert len(told) == 3
    assert "extra: left out: it is no side" in told[0]
    assert any("2 photos or videos lie in no class folder, 3.jpg is the first" in line for line in told)
    assert any(line.startswith(f"{tmp_path}/val/b: no photo or video") for line in told)


@pytest.mark.parametrize(
    "names", [("train/1.jpg", "bus/2.jpg"), ("train/ice/1.jpg", "bus/2.jpg"), ("test/1.jpg", "train/2.jpg", "bus/3.jpg")]
)
def test_a_class_may_be_called_train(names, tmp_path):
    dataset = read_dataset(touch(tmp_path, *names))
    assert set(dataset.labels) >= {"train", "bus"}
    assert {item.side for item in dataset.items} == {""}


def test_files_that_look_like_media_and_are_none_are_told(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/2.HEIC", "b/3.jpg", "b/4.svg", "5.jpg", "b/6.txt")
    (tmp_path / "b" / "7.jpg").symlink_to(tmp_path / "gone.jpg")
    dataset = read_dataset(tmp_path)
    assert len(dataset) == 2
    told = {problem.where.removeprefix(f"{tmp_path}"): problem.reason for problem in dataset.problems}
    assert set(told) == {"", "/a/2.HEIC", "/b/4.svg", "/b/7.jpg"}
    assert "export it as JPEG" in told["/a/2.HEIC"]
    assert "broken link" in told["/b/7.jpg"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "elsewhere/1.jpg", "set/b/2.jpg")
    (tmp_path / "set" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "b" / "self").symlink_to(tmp_path / "set" / "b")
    dataset = read_dataset(tmp_path / "set")
    assert shown(dataset) == {"1.jpg": (("a",), ""), "2.jpg": (("b",), "")}
    assert Counter(item.path.name for item in dataset.items)["1.jpg"] == 1


def test_groups_by_an_expression(tmp_path):
    touch(tmp_path, "G01/user01_R01.mp4", "G01/user02_R01.mp4", "G02/user01_R01.mp4")
    groups = {
        expression: [item.group for item in read_dataset(tmp_path, group_by=expression).items] for expression in (r"user(\d+)", "user..")
    }
    assert groups == {r"user(\d+)": ["01", "02", "01"], "user..": ["user01", "user02", "user01"]}
    assert [item.group for item in read_dataset(tmp_path).items] == [str(item.path) for item in read_dataset(tmp_path).items]
    # Only the path within the data set counts, whatever the folders above are called.
    assert [item.group for item in read_dataset(tmp_path, group_by="^[^/]+").items] == ["G01", "G01", "G02"]


def test_clips_of_ucf101_are_grouped_by_their_source(tmp_path):
    touch(tmp_path, "A/v_A_g08_c01.avi", "A/v_A_g08_c02.avi", "B/v_B_g10_c01.avi", "B/other.avi")
    assert [item.group for item in read_dataset(tmp_path).items][:2] == ["g08", "g08"]
    assert [item.group for item in read_dataset(tmp_path).items][2:] == [str(tmp_path / "B/other.avi"), "g10"]


@pytest.mark.parametrize(
    ("group_by", "said"),
    [
        ("user(", "regular expression, such as .*Received: 'user\\('"),
        ("a/(.)", "no group for 2 of 4 items; the first is b/3.jpg"),
        (r"\d*$", "no group for 4 of 4 items"),
    ],
)
def test_groups_that_do_not_fit_are_wrong_usage(group_by, said, tmp_path):
    touch(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.jpg", "b/4.jpg")
    with pytest.raises(UsageError, match=said):
        read_dataset(tmp_path, group_by=group_by)


REFUSED = {
    "nothing in it": ([], "holds no class folder with photos"),
    "no media": (["a/1.txt", "b/2.txt"], "holds no class folder with photos"),
    "photos without folders": (["1.jpg", "2.jpg"], "2 photos or videos lie in no class folder, 1.jpg is the first"),
    "a list in it": (["clips.csv", "1.mp4"], "Give the list itself, if it is one of clips.csv"),
    "one level too high": (["all/a/1.jpg", "all/b/2.jpg"], "holds one class folder only, all.*give .*/all"),
    "an empty class": (["a/1.jpg", "b/2.jpg", "c/notes.txt"], "the class folder c holds no photo or video"),
    "a class of HEIC": (["a/1.jpg", "b/2.jpg", "c/3.heic"], "the class folder c holds no photo or video.*heic files cannot be read"),
    "an empty class on both sides": (["train/a/1.jpg", "train/b/x.txt", "test/a/2.jpg", "test/b/x.txt"], "class folder b holds no"),
    "another case": (["Tennis/1.jpg", "tennis/2.jpg", "b/3.jpg"], "differ only in case.*'Tennis' and 'tennis'"),
    "sharp s": (["STRASSE/1.jpg", "straße/2.jpg"], "differ only in case"),
    "normal forms": ([f"{unicodedata.normalize(form, 'é')}/1.jpg" for form in ("NFC", "NFD")], "accents' encoding"),
    "blanks around": (["a/1.jpg", "a /2.jpg"], "surrounding blanks: 'a' and 'a '"),
    "no Unicode": (["a/1.jpg", "b\udcff/2.jpg"], "is no Unicode text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_from_is_refused(case, tmp_path):
    names, said = REFUSED[case]
    with pytest.raises(InputError, match=said) as told:
        read_dataset(touch(tmp_path, *names))
    assert str(told.value).startswith(str(tmp_path))
    assert "Expected" in str(told.value)


def test_wrong_calls_are_told(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "c.mp4", "d.xlsx")
    cases = [
        (UsageError, "Did you mean folders", (tmp_path, "folder")),
        (UsageError, "as a data set", ("",)),
        (UsageError, "as a data set", ("a\0b",)),
        (InputError, "is not there", (tmp_path / "none",)),
        (InputError, "is a single video", (tmp_path / "c.mp4",)),
        (InputError, "in no layout that can be read", (tmp_path / "d.xlsx",)),
        (InputError, "is a device or a pipe", ("/dev/null",)),
        (InputError, "is not laid out as voc. Expected PASCAL VOC", (tmp_path, "voc")),
    ]
    for kind, said, arguments in cases:
        with pytest.raises(kind, match=said):
            read_dataset(*arguments)


def test_ten_thousand_classes_take_seconds(tmp_path):
    for number in range(10_000):
        (tmp_path / f"class {number:05}").mkdir()
        (tmp_path / f"class {number:05}" / "1.jpg").touch()
    begun = time.process_time()
    dataset = read_dataset(tmp_path)
    assert time.process_time() - begun < 10
    assert (len(dataset), len(dataset.labels)) == (10_000, 10_000)


def test_every_folder_is_listed_once_and_no_file_looked_at(tmp_path, monkeypatch):
    touch(tmp_path, *(f"{label}/{number}.jpg" for label in ("a", "b", "c/deep") for number in range(20)))
    listed, looked = Counter(), []
    scandir, stat = os.scandir, os.stat
    monkeypatch.setattr(os, "scandir", lambda path: (listed.update([os.fspath(path)]), scandir(path))[1])
    monkeypatch.setattr(os, "stat", lambda path, *rest, **named: (looked.append(str(path)), stat(path, *rest, **named))[1])
    assert len(read_dataset(tmp_path)) == 60
    assert {listed[str(tmp_path / name)] for name in ("a", "b", "c", "c/deep")} == {1}
    assert [path for path in looked if path.endswith(".jpg")] == []


def test_imagenet_folders_are_named_by_their_list(tmp_path):
    touch(tmp_path, "n02012849/1.JPEG", "n03126707/2.JPEG", "n01440764/3.JPEG", "n02963159/4.JPEG", "n02113186/5.JPEG")
    assert read_dataset(tmp_path).labels == ("n01440764", "n02012849", "n02113186", "n02963159", "n03126707")
    names = "n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\nn02963159 cardigan\nn02113186 Cardigan, Cardigan Welsh corgi\n"
    write(tmp_path, LOC_synset_mapping__txt=names)
    dataset = read_dataset(tmp_path)
    # Two are called crane, and two differ in case only: these keep their ids. The order is that of the ids.
    shared = ["crane (n02012849)", "Cardigan (n02113186)", "cardigan (n02963159)", "crane (n03126707)"]
    assert (dataset.layout, dataset.labels) == ("imagenet", ("tench", *shared))


def test_imagenet_as_kaggle_packs_it(tmp_path):
    data = "ILSVRC/Data/CLS-LOC"
    touch(tmp_path, f"{data}/train/n01440764/n01440764_1.JPEG", f"{data}/train/n01443537/n01443537_9.JPEG")
    touch(tmp_path, f"{data}/val/V_1.JPEG", f"{data}/val/V_2.JPEG", f"{data}/val/V_3.JPEG", f"{data}/test/T_1.JPEG")
    write(tmp_path, LOC_synset_mapping__txt="n01440764 tench\nn01443537 goldfish, Carassius auratus\n")
    solved = "ImageId,PredictionString\nV_1,n01443537 1 2 3 4 n01443537 5 6 7 8 \nV_2,n01440764 1 2 3 4 \n"
    write(tmp_path, LOC_val_solution__csv=solved)
    for path in (tmp_path, tmp_path / "ILSVRC"):
        dataset = read_dataset(path)
        assert shown(dataset) == {
            "n01440764_1.JPEG": (("tench",), "train"),
            "n01443537_9.JPEG": (("goldfish",), "train"),
            "V_1.JPEG": (("goldfish",), "validation"),
            "V_2.JPEG": (("tench",), "validation"),
        }
        assert any("T_1.JPEG" in problem.reason for problem in dataset.problems)


def test_caltech(tmp_path):
    touch(tmp_path / "101", *(f"101_ObjectCategories/{name}/image_0001.jpg" for name in ("Faces", "Faces_easy", "BACKGROUND_Google")))
    for path in (tmp_path / "101", tmp_path / "101" / "101_ObjectCategories"):
        dataset = read_dataset(path)
        assert (dataset.layout, dataset.labels) == ("caltech101", ("BACKGROUND_Google", "Faces", "Faces_easy"))
    touch(tmp_path / "256", *(f"256_ObjectCategories/{name}/1.jpg" for name in ("001.ak47", "010.beer-mug", "002.american-flag")))
    for path in (tmp_path / "256", tmp_path / "256" / "256_ObjectCategories"):
        dataset = read_dataset(path)
        assert (dataset.layout, dataset.labels) == ("caltech256", ("ak47", "american-flag", "beer-mug"))


def make_sun(root):
    touch(root, "a/abbey/s1.jpg", "a/abbey/s2.jpg", "a/apartment_building/outdoor/s3.jpg", "b/bar/s4.jpg", "b/bar/s5.jpg")
    return write(root, ClassName__txt="/a/abbey\n/a/apartment_building/outdoor\n/b/bar\n")


def test_sun_without_a_partition(tmp_path):
    make_sun(tmp_path / "SUN397")
    for path in (tmp_path, tmp_path / "SUN397"):
        dataset = read_dataset(path)
        assert (dataset.layout, dataset.labels) == ("sun397", ("abbey", "apartment_building/outdoor", "bar"))
        assert Counter(label for item in dataset.items for label in item.labels) == {"abbey": 2, "apartment_building/outdoor": 1, "bar": 2}
    (tmp_path / "SUN397" / "ClassName.txt").unlink()
    assert read_dataset(tmp_path).labels == dataset.labels  # its name is enough
    (tmp_path / "SUN397").rename(tmp_path / "letters")
    assert read_dataset(tmp_path / "letters").labels == ("a", "b")


@pytest.mark.parametrize("folder", ["", "Partitions/"])
def test_sun_with_a_partition(folder, tmp_path):
    make_sun(tmp_path)
    write(tmp_path, **{f"{folder}Training_01__txt": "/a/abbey/s1.jpg\n/b/bar/s4.jpg\n/b/bar/gone.jpg\n"})
    write(tmp_path, **{f"{folder}Testing_01__txt": "/a/abbey/s2.jpg\n", f"{folder}Training_02__txt": "/b/bar/s5.jpg\n"})
    dataset = read_dataset(tmp_path)
    assert shown(dataset) == {"s1.jpg": (("abbey",), "train"), "s2.jpg": (("abbey",), "test"), "s4.jpg": (("bar",), "train")}
    assert [problem.where for problem in dataset.problems] == [str(tmp_path / "b/bar/gone.jpg")]


def make_msrc(root, truth="GroundTruth/{}_s_GT.bmp"):
    for name in ("1_1", "2_7", "10_3"):
        touch(root, f"Images/{name}_s.bmp")
        if truth:
            path = root / truth.format(name)
            path.parent.mkdir(exist_ok=True)
            pixels = np.zeros((4, 4, 3), np.uint8)
            pixels[:2] = {"1_1": (0, 128, 0), "2_7": (128, 128, 0), "10_3": (0, 0, 0)}[name]
            pixels[2, :2] = {"1_1": (0, 0, 128), "2_7": (128, 0, 128), "10_3": (0, 0, 0)}[name]  # a cow; a horse, which is void
            Image.fromarray(pixels).save(path)
    return root


@pytest.mark.parametrize("truth", ["GroundTruth/{}_s_GT.bmp", "Images/{}_s_GT.bmp"])
def test_msrc_by_its_colours(truth, tmp_path):
    dataset = read_dataset(make_msrc(tmp_path, truth))
    assert (dataset.layout, dataset.several, dataset.labels) == ("msrc21", True, ("grass", "tree", "cow"))
    labels = {item.path.name: set(item.labels) for item in dataset.items}
    assert labels == {"1_1_s.bmp": {"grass", "cow"}, "2_7_s.bmp": {"tree"}, "10_3_s.bmp": set()}


def test_msrc_without_colours_and_with_damaged_ones(tmp_path):
    dataset = read_dataset(make_msrc(tmp_path / "plain", truth=""))
    assert (dataset.several, dataset.labels) == (False, ("1", "2", "10"))
    make_msrc(tmp_path / "hurt")
    (tmp_path / "hurt/GroundTruth/10_3_s_GT.bmp").write_bytes(b"BM")
    touch(tmp_path / "hurt", "Images/3_1_s.bmp")
    dataset = read_dataset(tmp_path / "hurt")
    assert len(dataset) == 2
    assert [problem.reason.partition(":")[0] for problem in dataset.problems] == [
        "cannot be read as a picture",
        "no ground truth lies by, which others have",
    ]


def voc_xml(*names):
    return "<annotation>" + "".join(f"<object><name>{name}</name><difficult>1</difficult></object>" for name in names) + "</annotation>"


def make_voc(root):
    touch(root, *(f"JPEGImages/{number}.jpg" for number in range(1, 6)))
    write(
        root, **{"Annotations/1__xml": voc_xml("cat", "dog", "cat"), "Annotations/2__xml": voc_xml("dog"), "Annotations/3__xml": voc_xml()}
    )
    write(root, **{"Annotations/4__xml": "<annotation>"})
    return root


def test_voc_by_its_objects(tmp_path):
    dataset = read_dataset(make_voc(tmp_path))
    assert (dataset.layout, dataset.several, dataset.labels) == ("voc", True, ("cat", "dog"))
    assert shown(dataset) == {"1.jpg": (("cat", "dog"), ""), "2.jpg": (("dog",), ""), "3.jpg": ((), "")}
    assert {re.sub(".*/", "", problem.where) for problem in dataset.problems} == {"4.xml", "5.jpg"}


def test_voc_with_sides_takes_what_they_list(tmp_path):
    make_voc(tmp_path / "VOC2007")
    write(tmp_path / "VOC2007/ImageSets/Main", train__txt="1\n", val__txt="2\n9\n", trainval__txt="1\n2\n3\n", cat_train__txt="1  1\n")
    dataset = read_dataset(tmp_path)
    assert shown(dataset) == {"1.jpg": (("cat", "dog"), "train"), "2.jpg": (("dog",), "validation")}
    assert [problem.reason for problem in dataset.problems] == ["it has no annotation 9.xml"]


def test_voc_by_the_lists_of_its_classes(tmp_path):
    touch(tmp_path, *(f"JPEGImages/{number}.jpg" for number in range(1, 4)))
    lists = {"cat_train__txt": "1  1\n2 -1\n", "dog_train__txt": "1  1\n2  1\n", "cat_test__txt": "3  0\n", "dog_test__txt": "3 -1\n4 1\n"}
    write(tmp_path / "ImageSets/Main", **lists)
    dataset = read_dataset(tmp_path)
    assert shown(dataset) == {"1.jpg": (("cat", "dog"), "train"), "2.jpg": (("dog",), "train"), "3.jpg": ((), "test")}
    assert dataset.problems == (Problem(str(tmp_path / "JPEGImages/4.jpg"), f"{tmp_path / 'JPEGImages/4.jpg'} is not on disk"),)
