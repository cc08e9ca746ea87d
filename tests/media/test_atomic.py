"""Whole files, and what killed programs leave behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shared.core.errors import WanGPError
from shared.media.atomic import remove_leftovers, whole_file


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.bin"
    with whole_file(path) as part:
        part.write_bytes(b"content")
        assert not path.exists() and part.parent == path.parent
    assert path.read_bytes() == b"content" and [file.name for file in path.parent.iterdir()] == ["a.bin"]


def test_an_error_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as part:
        part.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WanGPError, match="could not be written"), whole_file(tmp_path / "file" / "a") as part:
        part.write_bytes(b"x")


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from shared.media.atomic import whole_file
with whole_file(sys.argv[2]) as part:
    part.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_leftovers_of_a_killed_program_are_removed_and_those_of_a_living_one_stay(tmp_path):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    subprocess.run([sys.executable, "-c", KILLED, root, str(tmp_path / "clip.mp4")])
    left = list(tmp_path.iterdir())
    assert len(left) == 1 and left[0].name.startswith(".clip.mp4.")
    (tmp_path / ".other.tmp").write_bytes(b"not ours")
    with whole_file(tmp_path / "b.mp4") as part:
        part.write_bytes(b"being written")
        assert remove_leftovers(tmp_path, tmp_path / "absent") == left
        assert part.exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".other.tmp", "b.mp4"]
