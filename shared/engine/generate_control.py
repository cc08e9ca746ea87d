"""`state["gen"]` as a plain program uses it: wishes read from it, progress written to it, commands sent beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.core.contracts import Control
from shared.core.events import Event, Info, Output, Progress, RefreshModels, Status
from shared.core.state import GenState, fold
from shared.engine.status import Position

SendCommand = Callable[..., Any]


class StateControl(Control):
    """The wishes that a program writes into a gen dict while its task runs, looked up at each step."""

    def __init__(self, gen: dict[str, Any]) -> None:
        super().__init__()
        self._view = GenState(gen)

    def get(self, name: str, default: Any = False) -> Any:
        """The value in the dict: `abort`, `pause`, `early_stop`, `extra_orders`, `extra_windows` (totals)."""
        match name:
            case "abort":
                return bool(self._view.abort)
            case "early_stop":
                return bool(self._view.early_stop)
            case "pause":
                return self._is_paused()
            case "extra_orders":
                asked, self._view.extra_orders = self._view.extra_orders, 0
                return self._add(name, asked)
            case "extra_windows":
                asked, self._view.extra_windows = self._view.extra_windows, 0
                return self._add(name, asked)
        return super().get(name, default)

    def clear(self) -> None:
        """Forget wishes that were for the task that has ended."""
        self._view.abort = self._view.early_stop = self._view.resume = False
        self._view.extra_orders = self._view.extra_windows = 0

    def _is_paused(self) -> bool:
        if self._view.resume:
            self._view.resume, self._view.pause_msg = False, ""
        return bool(self._view.pause_msg)

    def _add(self, name: str, asked: int) -> int:
        total = int(super().get(name, 0)) + int(asked or 0)
        if asked:
            self.set(name, total)
        return total


class CommandSender:
    """Tells a program what happens: `send_cmd(command, data)` as WanGP's generators do, and the gen dict beside it."""

    def __init__(self, send_cmd: SendCommand, gen: dict[str, Any]) -> None:
        self._send, self._gen = send_cmd, gen

    def __call__(self, event: Event) -> None:
        """Fold an event into the gen dict, then send its command."""
        fold(self._gen, event)
        match event:
            case Progress(step=None, text=text):
                self._send("progress", [0, text])
            case Progress(step=step, total=total, text=text, unit=unit):
                counted = [(step, total), text, total]
                self._send("progress", [*counted, unit] if unit else counted)
            case Status(text=text):
                self._send("status", text)
            case Info(text=text):
                self._send("info", text)
            case Output():
                self._send("output", None)
            case RefreshModels(token=token):
                self._send("refresh_models", token)

    def latents(self, latents: Any) -> None:
        """The clip as it stands, undecoded: `generate_preview` makes a picture of it."""
        self._send("preview", latents)

    def position(self, position: Position) -> None:
        """What is being made, under the gen dict's own names."""
        view = GenState(self._gen)
        view.prompt_no, view.prompts_max = position.prompt_no, position.prompts
        view.repeat_no, view.total_generation = position.sample_no, position.samples
        view.window_no, view.total_windows = position.window_no, position.windows
        view.sliding_window = position.windows > 1
