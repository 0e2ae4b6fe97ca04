"""The layouts that data sets come in, and the door through which they are read."""

import difflib
from pathlib import Path

from framevote.datasets.activities import is_activitynet, is_kinetics, read_activitynet, read_kinetics
from framevote.datasets.assembly import assemble
from framevote.datasets.folders import is_caltech101, is_caltech256, is_folder, read_caltech101, read_caltech256, read_class_folders
from framevote.datasets.imagenet import is_imagenet, read_imagenet
from framevote.datasets.items import Dataset
from framevote.datasets.manifests import is_huggingface, is_manifest, read_huggingface, read_manifest
from framevote.datasets.media import kind_of
from framevote.datasets.msrc import is_msrc, read_msrc
from framevote.datasets.sources import Layout
from framevote.datasets.splitlists import is_hmdb51, is_mmaction2, is_ucf101, read_hmdb51, read_mmaction2, read_ucf101
from framevote.datasets.sun import is_sun, read_sun
from framevote.datasets.voc import is_voc, read_voc
from framevote.errors import InputError, UsageError

# Asked in this order: what is told by its own files comes before what any folder and any list could be.
_TABLE = (
    Layout(
        "kinetics", "Kinetics CSV or JSON: youtube_id, time_start, time_end, with the clips or videos below", is_kinetics, read_kinetics
    ),
    Layout("activitynet", "ActivityNet JSON: segments of long videos, named by their ids", is_activitynet, read_activitynet),
    Layout("ucf101", "UCF101 split lists: trainlist01.txt, testlist01.txt, classInd.txt", is_ucf101, read_ucf101),
    Layout("hmdb51", "HMDB51 split lists: CLASS_test_split1.txt", is_hmdb51, read_hmdb51),
    Layout("mmaction2", "MMAction2 video lists: a path and a class number in each line", is_mmaction2, read_mmaction2),
    Layout("huggingface", "Hugging Face image or video folder: metadata.csv or .jsonl with file_name", is_huggingface, read_huggingface),
    Layout("manifest", "CSV, JSONL or Parquet: path,label[,start,end][,group][,split]", is_manifest, read_manifest),
    Layout("voc", "PASCAL VOC: JPEGImages, Annotations, ImageSets; several labels", is_voc, read_voc),
    Layout("msrc21", "MSRC-21: 1_1_s.bmp, with its _GT picture; several labels", is_msrc, read_msrc),
    Layout("sun397", "SUN397: a/abbey, with ClassName.txt and Training_01.txt", is_sun, read_sun),
    Layout("imagenet", "ImageNet: folders such as n01440764, or ILSVRC/Data/CLS-LOC", is_imagenet, read_imagenet),
    Layout("caltech101", "Caltech-101: 101_ObjectCategories", is_caltech101, read_caltech101),
    Layout("caltech256", "Caltech-256: numbered folders such as 001.ak47", is_caltech256, read_caltech256),
    Layout(
        "folders", "a folder for each class, of photos, clips or both, perhaps within train, val and test", is_folder, read_class_folders
    ),
)

LAYOUTS: dict[str, str] = {layout.name: layout.description for layout in _TABLE}
"""Every layout that can be read, with one line about each."""


def read_dataset(path: str | Path, layout: str = "auto", group_by: str | None = None) -> Dataset:
    """Return the items of a data set with their labels, and what could not be used; no file is opened that is only learned from.

    Args:
        path: a folder, or a list of files.
        layout: one of LAYOUTS; `auto` asks them in turn.
        group_by: a regular expression, found in each item's path within the data set (its first group, else the whole match), or the
            name of a list's column: items of one group stay on one side of every split. None: pieces of one video are a group.

    Raises:
        UsageError: there is no such layout, or `group_by` does not fit.
        InputError: the data set is missing, in no known layout, or cannot be learned from.
        MissingExtra: it is Parquet, and pyarrow is not installed.
    """
    if not str(path) or "\0" in str(path):
        raise UsageError(
            f"Received {str(path)!r} as a data set. Expected the name of a folder or list; the folder where you are is called '.'."
        )
    source = Path(path)
    _check_source(source)
    chosen = _asked(source) if layout == "auto" else _named(layout, source)
    return assemble(chosen.read(source), chosen.name, group_by)


def _check_source(source: Path) -> None:
    if not source.exists():
        raise InputError(f"{source} is not there. Expected a folder of class folders, or a list of files; check the name.")
    if source.is_file() and kind_of(source.name):
        raise InputError(f"{source} is a single {kind_of(source.name)}. Expected a folder of class folders, or a list of files.")
    if not source.is_file() and not source.is_dir():
        raise InputError(f"{source} is a device or a pipe. Expected a folder, or a list on disk.")


def _asked(source: Path) -> Layout:
    found = next((layout for layout in _TABLE if layout.fits(source)), None)
    if found is None:
        raise InputError(f"{source} is in no layout that can be read. Expected a folder of class folders, or one of {', '.join(LAYOUTS)}.")
    return found


def _named(name: str, source: Path) -> Layout:
    layout = next((layout for layout in _TABLE if layout.name == name), None)
    if layout is None:
        near = difflib.get_close_matches(name, LAYOUTS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"There is no layout named {name!r}.{hint} Known: auto, {', '.join(LAYOUTS)}.")
    if not layout.fits(source):
        raise InputError(f"{source} is not laid out as {name}. Expected {layout.description}; or leave the layout out, to have it found.")
    return layout
