"""Files appear whole or not at all; names cannot lead astray."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from shared.core.errors import WanGPError
from shared.core.paths import DiskFull, confined_join, disk_errors, replace_atomic, safe_name, unique_path, write_atomic


def test_a_file_is_replaced_whole_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_atomic(path, b"old")

    def fill(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        replace_atomic(path, fill)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_as_such() -> None:
    told = r"The disk is full: /dev/full could not be written\. Free some space"
    with pytest.raises(DiskFull, match=told), disk_errors("/dev/full"):
        descriptor = os.open("/dev/full", os.O_WRONLY)
        try:
            os.write(descriptor, b"x")
        finally:
            os.close(descriptor)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WanGPError, match=r"could not be written: (Not a directory|File exists)\."):
        write_atomic(tmp_path / "file" / "b.json", b"x")


def test_other_system_errors_are_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(WanGPError) as error, disk_errors(tmp_path):
        raise OSError(errno.EACCES, "Permission denied")
    assert not isinstance(error.value, DiskFull)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a red ball", "a red ball"), ("../../etc/passwd", "_.._etc_passwd"), ('a:b*c?"d"<e>|f', "a_b_c_d_e_f"),
        ("con", "_con"), ("NUL.txt", "_NUL.txt"), ("  . ", "unnamed"), ("", "unnamed"), ("two\nlines\t", "two_lines_"),
    ],
)  # fmt: skip
def test_a_name_holds_nothing_that_leads_elsewhere(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_long_name_is_cut_between_characters() -> None:
    name = safe_name("ü" * 300)
    assert len(name.encode()) == 200 and set(name) == {"ü"}


def test_a_path_that_exists_gets_a_number(tmp_path: Path) -> None:
    assert unique_path(tmp_path / "a.mp4") == tmp_path / "a.mp4"
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a_2.mp4").touch()
    assert unique_path(tmp_path / "a.mp4") == tmp_path / "a_3.mp4"


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "C:\\a", "..\\a", "", ".", "a\x00b"])
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WanGPError, match="leads outside its folder"):
        confined_join(tmp_path, name)


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(WanGPError, match="leads outside its folder"):
        confined_join(tmp_path / "in", "link/x")
    assert confined_join(tmp_path, "in/./x.png") == tmp_path.resolve() / "in" / "x.png"
