"""The console's capture beside threads that print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PRINT_WHILE_CAPTURES_COME_AND_GO = """
import os, sys, threading
from shared.engine.executors.console import ConsoleCapture

sys.stdout = open(os.devnull, "w")
sys.setswitchinterval(1e-6)
over = threading.Event()

def talk():
    while not over.is_set():
        print("a", "b", "c", "d")

threads = [threading.Thread(target=talk) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(1000):
    with ConsoleCapture(lambda stream, text: None):
        pass
over.set()
"""


def test_other_threads_may_print_while_a_capture_ends(root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PRINT_WHILE_CAPTURES_COME_AND_GO], cwd=root, capture_output=True, text=True, timeout=120
    )

    assert ended.returncode == 0, ended.stderr
