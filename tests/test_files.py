"""Files are written whole or not at all, whatever happens on the way."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from framevote.errors import OutputError
from framevote.files import whole_file


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_whole_at_the_end(tmp_path):
    target = tmp_path / "out.json"
    with whole_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".json"
        assert temporary.name.startswith(".")
    assert target.read_text() == "whole"
    assert held(tmp_path) == ["out.json"]


def test_its_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with whole_file(tmp_path / "out") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_replaced_file_keeps_its_permissions_and_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    with whole_file(tmp_path / "link", overwrite=True) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError, ValueError])
def test_an_error_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(error), whole_file(target, overwrite=True) as temporary:  # noqa: PT012 - the block is what is tested
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert held(tmp_path) == ["out.csv"]


def test_an_existing_file_asks_for_overwrite_and_stays(tmp_path):
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(OutputError, match=r"exists.*--overwrite"), whole_file(target):
        pytest.fail("nothing may be written")
    assert target.read_text() == "old"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "out.csv"
    with pytest.raises(OutputError, match="exists"), whole_file(target) as temporary:  # noqa: PT012 - the block is what is tested
        temporary.write_text("mine")
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert held(tmp_path) == ["out.csv"]


def test_a_sentence_about_the_temporary_file_names_the_one_that_was_asked_for(tmp_path):
    target = tmp_path / "out.webm"
    with pytest.raises(OutputError) as told, whole_file(target) as temporary:
        raise OutputError(f"{temporary}: WebM cannot hold AAC.")
    assert str(told.value) == f"{target}: WebM cannot hold AAC."


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("folder", r"is a folder\. Expected the name of a file"),
        ("absent/out.json", r"there is no folder .*absent\. Make it first: mkdir -p"),
        ("file/out.json", r"there is no folder .*file"),
        ("x" * 300 + ".json", r"the name is longer than this disk can hold\. Choose a shorter one"),
        ("a\0b.json", r"a file's name holds no zero byte\. Choose another"),
        ("/dev/full", r"is no file but a device"),
        ("/sys/framevote.json", r"cannot be written: the (folder is not open for writing|disk can only be read)"),
    ],
)
def test_a_path_that_cannot_be_is_refused_with_the_way_out(tmp_path, path, sentence):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = held(tmp_path)
    with pytest.raises(OutputError, match=sentence), whole_file(tmp_path / path) as temporary:
        temporary.write_text("x")
    assert held(tmp_path) == before


def test_the_longest_name_that_a_disk_holds_can_be_written(tmp_path):
    target = tmp_path / ("x" * 250 + ".json")
    with whole_file(target) as temporary:
        temporary.write_text("x")
    assert target.read_text() == "x"


def test_a_folder_closed_to_this_user_is_told(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; /sys stands for it above")
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="not open for writing"), whole_file(tmp_path / "x"):
        pytest.fail("nothing may be written")


def test_a_device_that_is_full_is_told(tmp_path):
    with pytest.raises(OutputError, match="the disk is full"), whole_file(tmp_path / "x") as _, Path("/dev/full").open("w") as full:
        full.write("x" * 100_000)
    assert held(tmp_path) == []


def test_a_full_disk_leaves_what_was_there(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("only root can mount a small disk")
    try:
        (disk / "out").write_text("old")
        with pytest.raises(OutputError, match="the disk is full"), whole_file(disk / "out", overwrite=True) as temporary:
            temporary.write_bytes(bytes(1 << 20))
        assert held(disk) == ["out"]
        assert (disk / "out").read_text() == "old"
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_file_beyond_the_users_limit_is_told(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(OutputError, match="grow beyond what is allowed"), whole_file(tmp_path / "x") as temporary:
            temporary.write_bytes(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert held(tmp_path) == []


@pytest.mark.parametrize(("number", "left"), [(signal.SIGKILL, 1), (signal.SIGINT, 0)])
def test_a_killed_process_never_touches_the_target(tmp_path, number, left):
    target = tmp_path / "out.json"
    target.write_text("old")
    code = """
        import sys, time
        from framevote.files import whole_file
        with whole_file(sys.argv[1], overwrite=True) as temporary:
            temporary.write_text("half")
            print("ready", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), target], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(30) != 0
    assert target.read_text() == "old"
    hidden = [name for name in held(tmp_path) if name != "out.json"]
    assert len(hidden) == left
    assert all(name.startswith(".framevote-") for name in hidden)
