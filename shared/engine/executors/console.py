"""What one thread prints, as lines; all other threads keep the real console."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from typing import Any, Literal

StreamName = Literal["stdout", "stderr"]
TellLine = Callable[[StreamName, str], None]

EVERY_THREAD = 0
_switching = threading.Lock()
# Never freed: `print` of CPython up to 3.13 borrows sys.stdout, and a thread in the middle of one crashes the process
# when the object behind it goes away.
_switches: list[_Switch] = []


class ConsoleCapture:
    """While entered, hands each line that this thread prints to `tell`, split at CR or LF, empty ones dropped.

    `is_terminal` is what the thread's `sys.stdout.isatty()` answers. `whole_process` captures every thread,
    `echo` lets the real console have its copy.
    """

    def __init__(
        self, tell: TellLine, *, is_terminal: bool = True, whole_process: bool = False, echo: bool = False
    ) -> None:
        self._tell, self._is_terminal, self._echo = tell, is_terminal, echo
        self._whole_process = whole_process
        self._taps: list[tuple[_Switch, int]] = []

    def __enter__(self) -> ConsoleCapture:
        thread = EVERY_THREAD if self._whole_process else threading.get_ident()
        with _switching:
            for name in ("stdout", "stderr"):
                switch = _switch_of(getattr(sys, name))
                setattr(sys, name, switch)
                switch.taps[thread] = _Tap(name, self._tell, self._is_terminal, self._echo)
                self._taps.append((switch, thread))
        return self

    def __exit__(self, *_: object) -> None:
        ended = []
        with _switching:
            for switch, thread in self._taps:
                ended.append(switch.taps.pop(thread))
                for name in ("stdout", "stderr"):
                    if getattr(sys, name) is switch and not switch.taps:
                        setattr(sys, name, switch.original)
        self._taps.clear()
        for tap in ended:
            tap.end()


def _switch_of(stream: Any) -> _Switch:
    """The switch that stands for a stream: itself, the one made for it before, or a new one."""
    for switch in _switches:
        if stream is switch or stream is switch.original:
            return switch
    _switches.append(_Switch(stream))
    return _switches[-1]


class _Tap:
    """Cuts what is written into lines."""

    def __init__(self, name: StreamName, tell: TellLine, is_terminal: bool, echo: bool) -> None:
        self._name, self._tell = name, tell
        self.is_terminal, self.echo = is_terminal, echo
        self.is_telling = False
        self._rest = ""

    def write(self, text: str) -> None:
        *lines, self._rest = re.split(r"[\r\n]", self._rest + text)
        # What telling a line prints itself must not be told again.
        self.is_telling = True
        try:
            for line in lines:
                if line.strip():
                    self._tell(self._name, line)
        finally:
            self.is_telling = False

    def end(self) -> None:
        if self._rest:
            self.write("\n")


class _Switch:
    """Stands for sys.stdout or sys.stderr: the writes of tapped threads go to their tap, all else passes through."""

    def __init__(self, original: Any) -> None:
        self.original = original
        self.taps: dict[int, _Tap] = {}

    def write(self, text: str) -> int:
        tap = self._tap()
        if tap is not None:
            tap.write(text)
        if (tap is None or tap.echo) and self.original is not None:
            self.original.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self.original is not None:
            self.original.flush()

    def isatty(self) -> bool:
        tap = self._tap()
        return tap.is_terminal if tap is not None else bool(self.original is not None and self.original.isatty())

    def _tap(self) -> _Tap | None:
        tap = self.taps.get(threading.get_ident()) or self.taps.get(EVERY_THREAD)
        return None if tap is None or tap.is_telling else tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)
