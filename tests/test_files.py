import concurrent.futures
import os
import stat
import time

import pytest

from kerasnets.errors import UserError
from kerasnets.files import check_writable, make_folder, read_json, whole, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "figures.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), whole(path) as partial:
        _ = partial.write_text("half") / 0
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["figures.txt"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="runs/one"):
        make_folder(tmp_path / "runs" / "one")
    with pytest.raises(UserError, match="runs' cannot be made: it is a file"):
        make_folder(tmp_path / "runs")
    with pytest.raises(UserError, match="x.txt' was not written: there is no folder '.*runs'"):
        write_text(tmp_path / "runs" / "x.txt", "")


def test_a_folder_that_cannot_be_made_is_told_beforehand(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "run")
    assert os.listdir(tmp_path) == ["file"]
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match=f"{path}' cannot be made: .*file' is a file"):
            check_writable(path)
    monkeypatch.setattr(os, "access", lambda path, how: False)
    with pytest.raises(UserError, match=f"new/run' cannot be written: '{tmp_path}' is protected"):
        check_writable(tmp_path / "new" / "run")


def test_written_files_follow_the_umask(tmp_path):
    with whole(tmp_path / "x") as partial:
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~umask


def test_threads_that_write_leave_the_umask_alone(tmp_path, monkeypatch):
    before, set_umask = os.umask(0o027), os.umask

    def slow(value: int) -> int:
        found = set_umask(value)
        time.sleep(0.005)
        return found

    monkeypatch.setattr(os, "umask", slow)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: write_text(tmp_path / f"{n}", ""), range(12)))
    finally:
        found = set_umask(before)
    assert found == 0o027


def test_json_of_another_kind_is_told(tmp_path):
    path = tmp_path / "x.json"
    for content, message in ((b"{", "damaged: it must hold names"), (b"\xff", "cannot be read")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"x.json' .*{message}"):
            read_json(path, list[str], "names")
    path.write_text('["a"]')
    assert read_json(path, list[str], "names") == ["a"]


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path):
    refused = pytest.raises(UserError, match="w.h5' was not written: No space left on device")
    with refused, whole(tmp_path / "w.h5", 2**62):
        pytest.fail("there is no such disk")
    assert list(tmp_path.iterdir()) == []
