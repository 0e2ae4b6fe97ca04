"""Files and objects as they are listed, and as they are read afterwards."""

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from made_bucket import Bucket, made_bucket

from framevote.archive import objects
from framevote.archive.entries import Source
from framevote.archive.listing import fetched, list_sources
from framevote.archive.sharding import in_shard
from framevote.errors import InputError, MissingExtra


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with made_bucket() as made:
        yield made


def listed(*paths: object) -> tuple[list[Source], list[str]]:
    failures: list[InputError] = []
    return list(list_sources(map(str, paths), failures.append)), [str(failure) for failure in failures]


def empty(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")


def test_files_and_folders_are_listed_once_with_size_and_time(tmp_path, monkeypatch):
    empty(tmp_path / "b" / "two.MKV", tmp_path / "one.mp4", tmp_path / "note.txt", tmp_path / ".hidden.mp4", tmp_path / "named.bin")
    os.utime(tmp_path / "one.mp4", ns=(0, 1_234_567_890_123_456_789))
    monkeypatch.chdir(tmp_path)
    sources, failures = listed(".", "one.mp4", "named.bin", tmp_path / "b")
    assert [source.path for source in sources] == [str(tmp_path / name) for name in ("b/two.MKV", "one.mp4", "named.bin")]
    assert failures == []
    assert sources[1] == Source(str(tmp_path / "one.mp4"), 4, pytest.approx(1234567890.123456))


def test_what_cannot_be_listed_is_told_and_the_rest_goes_on(tmp_path):
    (tmp_path / "empty").mkdir()
    empty(tmp_path / "good.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    wrong = {
        tmp_path / "gone.mp4": "gone.mp4 does not exist",
        tmp_path / "empty": "is a folder without videos",
        tmp_path / "pipe.mp4": "is no file",
        "gs://bucket/x": "Expected a file, a folder, or an address such as s3://",
        "s3://": "names no bucket",
        f"{tmp_path}/\0.mp4": "cannot be looked at",
        tmp_path / "good.mp4" / "x.mp4": "cannot be looked at: Not a directory",
    }
    sources, failures = listed(*wrong, tmp_path / "good.mp4")
    assert [Path(source.path).name for source in sources] == ["good.mp4"]
    assert len(failures) == len(wrong)
    assert [(said, expected) for said, expected in zip(failures, wrong.values(), strict=True) if expected not in said] == []


def test_a_file_has_one_name_wherever_it_is_called_from(tmp_path, monkeypatch):
    empty(tmp_path / "films" / "a.mp4")
    empty(tmp_path / "elsewhere" / "films" / "a.mp4")
    (tmp_path / "elsewhere" / "deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    monkeypatch.chdir(tmp_path / "films")
    sources, failures = listed("../films", "a.mp4", "../films/../films/a.mp4", tmp_path / "link" / ".." / "films", "../gone/../films")
    assert [source.path for source in sources] == [str(tmp_path / "films" / "a.mp4"), str(tmp_path / "link" / ".." / "films" / "a.mp4")]
    assert len(failures) == 1
    for number in (1, 2, 3):
        shares = {in_shard(sources[0], [given], (number, 3)) for given in ("../films", ".", "a.mp4", str(tmp_path / "films"))}
        assert len(shares) == 1


@pytest.mark.parametrize("change", ["deleted", "longer", "touched", "folder"])
def test_a_file_that_changed_since_it_was_listed_is_refused(tmp_path, change):
    file = tmp_path / "one.mp4"
    empty(file)
    ((source,), _) = listed(file)
    with fetched(source) as path:
        assert path == file
    changed(file, change)
    with pytest.raises(InputError, match=r"one.mp4 (was deleted|changed|is no file)"), fetched(source):
        pytest.fail("it was given")


@pytest.mark.parametrize("change", ["deleted", "longer", "touched", "folder"])
def test_a_file_that_changes_while_it_is_read_is_refused_afterwards(tmp_path, change):
    file = tmp_path / "one.mp4"
    empty(file)
    ((source,), _) = listed(file)
    with pytest.raises(InputError, match=r"one.mp4 (was deleted|changed|is no file)"), fetched(source):
        changed(file, change)


def changed(file: Path, change: str) -> None:
    match change:
        case "longer":
            file.write_bytes(b"films")
        case "touched":
            os.utime(file, (1, 1))
        case _:
            file.unlink()
            if change == "folder":
                file.mkdir()


def test_objects_are_listed_as_folders_are(bucket):
    bucket.put(films__b__two_dot_MKV=b"12", films__one_dot_mp4=b"1", films__note_dot_txt=b"", films___dot_hidden_dot_mp4=b"", named=b"123")
    odd = "films/ä b?#%20+.mp4"
    bucket.client.put_object(Bucket=bucket.name, Key=odd, Body=b"odd")
    sources, failures = listed("s3://films/films/", "s3://films/named", "s3://films/films/one.mp4")
    assert failures == []
    assert {source.path: source.size for source in sources} == {
        "s3://films/films/b/two.MKV": 2,
        "s3://films/films/one.mp4": 1,
        f"s3://films/{odd}": 3,
        "s3://films/named": 3,
    }
    assert abs(sources[0].modified - time.time()) < 100
    assert {source.path for source in listed("s3://films")[0]} >= {source.path for source in sources[:3]}


def test_an_object_is_copied_and_the_copy_removed(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(objects, "_CHUNK", 1000)
    content = os.urandom(123_456)
    bucket.client.put_object(Bucket=bucket.name, Key="copies/ä b?#%20+.mp4", Body=content)
    ((source,), _) = listed("s3://films/copies")
    with fetched(source) as path:
        assert (path.parent, path.suffix, path.read_bytes()) == (tmp_path, ".mp4", content)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), fetched(source):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["deleted", "longer"])
def test_an_object_that_changed_since_it_was_listed_is_refused(bucket, change):
    bucket.put(changing_dot_mp4=b"film")
    ((source,), _) = listed("s3://films/changing.mp4")
    if change == "deleted":
        bucket.client.delete_object(Bucket=bucket.name, Key="changing.mp4")
    else:
        bucket.put(changing_dot_mp4=b"another film")
    with pytest.raises(InputError, match=r"s3://films/changing.mp4 (was deleted|changed) since"), fetched(source):
        pytest.fail("it was given")


def test_an_object_that_changes_while_it_is_copied_is_refused(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bucket.put(changing_dot_mp4=b"film")
    ((source,), _) = listed("s3://films/changing.mp4")
    write = objects._write

    def disturbed(*arguments):
        write(*arguments)
        bucket.put(changing_dot_mp4=b"another film")

    monkeypatch.setattr(objects, "_write", disturbed)
    with pytest.raises(InputError, match="changed since it was listed"), fetched(source):
        pytest.fail("it was given")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_for_a_copy_is_told(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bucket.put(large_dot_mp4=bytes(3 << 20))
    ((source,), _) = listed("s3://films/large.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(objects.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
        with pytest.raises(InputError, match=r"has no room for its 3 MiB. Free some, or name another folder with TMPDIR"), fetched(source):
            pytest.fail("it was given")
    if os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=False).returncode == 0:
        try:
            monkeypatch.setattr(objects.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 30}))  # as if filled meanwhile
            with pytest.raises(InputError, match="has no room for its 3 MiB"), fetched(source):
                pytest.fail("it was given")
            assert list(tmp_path.iterdir()) == []
        finally:
            subprocess.run(["umount", tmp_path], check=True)


def test_copies_of_killed_processes_are_removed_and_others_left(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bucket.put(one_dot_mp4=b"film")
    ((source,), _) = listed("s3://films/one.mp4")
    for name in ("held", "abandoned", "fresh"):
        empty(tmp_path / f"framevote-object-{name}.mp4")
    for name in ("held", "abandoned"):
        os.utime(tmp_path / f"framevote-object-{name}.mp4", (1, 1))
    with (tmp_path / "framevote-object-held.mp4").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with fetched(source):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["framevote-object-fresh.mp4", "framevote-object-held.mp4"]


def test_a_process_that_is_killed_with_a_copy_lets_go_of_it(bucket, tmp_path):
    bucket.put(one_dot_mp4=b"film")
    code = (
        "import os, signal, framevote.archive.listing as l\n"
        "with l.fetched(next(l.list_sources(['s3://films/one.mp4'], print))): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    os.utime(left, (1, 1))
    objects._sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_a_bucket_is_told(bucket):
    bucket.client.put_object(Bucket=bucket.name, Key="strange//x.mp4", Body=b"film")
    wrong = {
        "s3://nobody/x": f"s3://nobody/x cannot be read: {bucket.endpoint} has no bucket nobody. Check the name.",
        "s3://nobody": f"{bucket.endpoint} has no bucket nobody",
        "s3://films/nothing/here": "holds no video, or does not exist",
    }
    sources, failures = listed(*wrong, "s3://films/strange")
    assert [(said, expected) for said, expected in zip(failures, wrong.values(), strict=True) if expected not in said] == []
    with pytest.raises(InputError, match=r"s3://films/strange//x.mp4 cannot be read: Empty path component"), fetched(sources[0]):
        pytest.fail("it was given")


@pytest.mark.parametrize(
    ("server", "key", "expected"),
    [
        ("refusing", "made", "refuses it. Received credentials: those of AWS_ACCESS_KEY_ID. Expected some that may list"),
        ("refusing", None, "refuses it. Received credentials: none in AWS_ACCESS_KEY_ID"),
        ("closed", "made", "no answer from http://127.0.0.1:"),
        ("silent", "made", "Operation too slow"),
    ],
)
def test_a_server_that_does_not_serve_is_told_in_seconds(server, key, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(objects, "_WAITING", 1)
    monkeypatch.setattr(objects, "_ATTEMPTS", 2)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "up")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key) if key else monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with socket.create_server(("127.0.0.1", 0)) if server != "refusing" else HTTPServer(("127.0.0.1", 0), Refusing) as listener:
        port = listener.getsockname()[1] if isinstance(listener, socket.socket) else listener.server_port
        if isinstance(listener, HTTPServer):
            threading.Thread(target=listener.serve_forever, daemon=True).start()
        if server == "closed":
            listener.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        begun = time.monotonic()
        sources, (said,) = listed("s3://films/videos")
        if isinstance(listener, HTTPServer):
            listener.shutdown()
    assert sources == []
    assert expected in said
    assert time.monotonic() - begun < 8


class Refusing(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(403)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_without_pyarrow_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setattr(objects, "_connected", objects._connected.__wrapped__)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(MissingExtra, match=r"pip install 'framevote\[archive\]'"):
        list(list_sources(["s3://films/x"], print))
