"""What crosses the border between the program and a worker process, and how.

Pickles of plain values over the child's own pipes, each behind its length. Only a process that this program started
holds the other end, so nothing else can send one.
"""

from __future__ import annotations

import io
import pickle
import struct
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO

from shared.core.events import Event, Finished
from shared.core.task import Task
from shared.engine.executors.spec import RunnerSpec

_LENGTH = struct.Struct("!Q")
# What a message may be made of. It also keeps torch out of the program's process: a tensor sent by mistake is refused.
_ALLOWED = ("shared.core.", "shared.engine.executors.", "numpy.", "numpy", "collections", "datetime", "pathlib")
_ALLOWED_BUILTINS = {"set", "frozenset", "complex", "bytearray", "slice", "range", "bytes"}


@dataclass(frozen=True)
class Setup:
    """First message to a child."""

    spec: RunnerSpec
    device: str
    parent_pid: int
    media_folder: str


@dataclass(frozen=True)
class Ready:
    """The child has warmed up."""


@dataclass(frozen=True)
class Run:
    """Run this task; `hooks` are the names that the program answers for it."""

    task: Task
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """A change of the running task's Control."""

    task_id: int
    name: str
    value: Any


@dataclass(frozen=True)
class Told:
    """An event of the running task."""

    event: Event


@dataclass(frozen=True)
class Ended:
    """The running task's end."""

    finished: Finished


@dataclass(frozen=True)
class Broke:
    """The running task met a bug: the line to show, and the traceback for the log."""

    line: str
    traceback: str


@dataclass(frozen=True)
class HookCall:
    """The child asks the program to run a plugin's hook and waits for the answer."""

    call_id: int
    name: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class HookAnswer:
    """What the hook returned, or the sentence why it failed."""

    call_id: int
    value: Any = None
    error: str | None = None


class Channel:
    """Two pipes. `send` may be called from any thread; both raise EOFError or OSError when the other end is gone."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target
        self._sending = threading.Lock()

    def send(self, message: Any) -> None:
        """Write one message."""
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._target.write(_LENGTH.pack(len(data)))
            self._target.write(data)
            self._target.flush()

    def receive(self) -> Any:
        """Wait for the next message."""
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        return _PlainUnpickler(io.BytesIO(self._read(length))).load()

    def close(self) -> None:
        """Close the sending side; the other end reads an end of file."""
        with self._sending:
            try:
                self._target.close()
            except OSError:
                return

    def _read(self, count: int) -> bytes:
        data = self._source.read(count)
        if len(data) < count:
            raise EOFError("the other process has ended")
        return data


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_ALLOWED) or (module == "builtins" and name in _ALLOWED_BUILTINS):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} may not cross the process border; send plain values")
