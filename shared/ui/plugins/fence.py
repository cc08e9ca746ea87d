"""A plugin's code runs inside a fence: what goes wrong there is noted, undone, and ends nothing else."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockContext, BlocksConfig
from gradio.context import Context
from gradio.routes import ORJSONResponse

from shared.core.plugin_import import PLUGIN_FAULTS
from shared.ui.run import speak_to_visitor


@dataclass
class Attempt:
    """How a piece of a plugin's code went; `blocks` are the components it built."""

    error: BaseException | None = None
    blocks: list[Any] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """It ended without an error."""
        return self.error is None


class Fence:
    """Runs plugin code, measures it, and notes its faults with the store."""

    def __init__(self, store: Any) -> None:
        self.store = store

    @contextmanager
    def running(self, plugin_id: str, stage: str) -> Iterator[Attempt]:
        """Code that builds nothing on the page."""
        attempt = Attempt()
        with self.store.timed(plugin_id, stage):
            try:
                yield attempt
            except PLUGIN_FAULTS as error:
                attempt.error = error
                self.store.fault(plugin_id, stage, error)

    @contextmanager
    def building(self, plugin_id: str, stage: str) -> Iterator[Attempt]:
        """Code that adds to the page that is being built; when it fails, the page is as it was before."""
        with self.running(plugin_id, stage) as attempt:
            before = _Snapshot()
            try:
                yield attempt
                before.check_context()
                attempt.blocks = before.new_blocks()
                for block in attempt.blocks:
                    keep_reachable(block)
                    check_shown(block, before.config)
                self._watch_callbacks(plugin_id, before)
            except BaseException:
                before.restore()
                raise

    def _watch_callbacks(self, plugin_id: str, before: _Snapshot) -> None:
        for block_fn in before.new_functions():
            if inspect.isfunction(block_fn.fn) or inspect.ismethod(block_fn.fn):
                block_fn.fn = self.callback(plugin_id, block_fn.fn)

    def callback(self, plugin_id: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """An event handler of a plugin whose faults are noted and told in one line."""
        watch = functools.partial(_Call, self.store, plugin_id, getattr(function, "__name__", "callback"))

        @functools.wraps(function)
        def plain(*values: Any, **named: Any) -> Any:
            with watch():
                return function(*values, **named)

        @functools.wraps(function)
        def generator(*values: Any, **named: Any) -> Any:
            with watch():
                yield from function(*values, **named)

        @functools.wraps(function)
        async def coroutine(*values: Any, **named: Any) -> Any:
            with watch():
                return await function(*values, **named)

        @functools.wraps(function)
        async def async_generator(*values: Any, **named: Any) -> Any:
            with watch():
                async for value in function(*values, **named):
                    yield value

        if inspect.isasyncgenfunction(function):
            return async_generator
        if inspect.iscoroutinefunction(function):
            return coroutine
        return generator if inspect.isgeneratorfunction(function) else plain


class _Call:
    """One call of a callback. What is measured is the work of its thread: waiting for a job is none."""

    def __init__(self, store: Any, plugin_id: str, name: str) -> None:
        self._store, self._plugin_id, self._name = store, plugin_id, name

    def __enter__(self) -> None:
        speak_to_visitor()
        self._started = time.thread_time()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._store.add_time(self._plugin_id, "callbacks", max(0.0, time.thread_time() - self._started))
        if error is None or isinstance(error, (gr.Error, GeneratorExit)) or not isinstance(error, PLUGIN_FAULTS):
            return
        self._store.fault(self._plugin_id, f"callback {self._name}", error)
        name = self._store.infos[self._plugin_id].name if self._plugin_id in self._store.infos else self._plugin_id
        raise gr.Error(f"{name}: {type(error).__name__}: {error}", print_exception=False) from error


class _Snapshot:
    """The page that is being built, at one moment."""

    def __init__(self) -> None:
        self._block, self._root = Context.block, Context.root_block
        if self._root is None or self._block is None:
            raise RuntimeError("A page part can only be built while the page is.")
        self.config = self._root.default_config
        self._ids, self._functions = set(self.config.blocks), set(self.config.fns)
        self._children = {block: list(block.children) for block in self._containers()}

    def _containers(self) -> list[BlockContext]:
        assert self._root is not None
        blocks = [*self.config.blocks.values(), self._root]
        return [block for block in blocks if isinstance(block, BlockContext)]

    def check_context(self) -> None:
        """Raise RuntimeError when a container was opened and not closed."""
        if Context.block is not self._block or Context.root_block is not self._root:
            raise RuntimeError("A container of the page (a Row, Column, Blocks, ...) was opened and not closed.")

    def new_blocks(self) -> list[Block]:
        """What was built since."""
        return [block for number, block in self.config.blocks.items() if number not in self._ids]

    def new_functions(self) -> list[Any]:
        """The event handlers added since."""
        return [function for number, function in self.config.fns.items() if number not in self._functions]

    def restore(self) -> None:
        """Take out what was built since, and build on where it was."""
        Context.block, Context.root_block = self._block, self._root
        for number in set(self.config.blocks) - self._ids:
            del self.config.blocks[number]
        for number in set(self.config.fns) - self._functions:
            del self.config.fns[number]
        for block, children in self._children.items():
            block.children = children


def keep_reachable(block: Any) -> None:
    """Leave what is not shown in the page, for the scripts that use it as a bridge.

    Gradio 6.31 puts a component with `visible=False` nowhere; "hidden" it is there and not seen.
    """
    if getattr(block, "visible", True) is False and not isinstance(block, gr.State):
        block.visible = "hidden"


def check_shown(block: Any, config: BlocksConfig) -> None:
    """Raise TypeError for a component that could not be sent to a browser: it would take the whole page down."""
    try:
        ORJSONResponse._render(config.config_for_block(block._id, [], block))
    except Exception as error:
        raise TypeError(f"{type(block).__name__} cannot be shown: {error}") from error
