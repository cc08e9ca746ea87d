"""Pictures and clips that clients send, as checked local files."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile

from shared.core.errors import MediaError, WanGPError
from shared.media.inputs import Limits, save_input

READERS = 8
# What clients of the two Fooocus services send for "no picture".
NOTHING = frozenset({"", "none", "null", "string"})


class FieldError(WanGPError):
    """A field of a request that cannot be used; `field` is its path in the body."""

    def __init__(self, field: str | tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.field = (field,) if isinstance(field, str) else field


class Inputs:
    """Keeps inputs in `folder` under names made of their content; slow addresses hold only threads of its own."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self._threads = ThreadPoolExecutor(READERS, "wangp-http-input")

    async def save(self, source: str | bytes | UploadFile | None, field: Any, **limits: Any) -> Path | None:
        """The file of what a field holds (base64, data URI, address or upload); None where it holds nothing.

        `limits` replace single values of `Limits`. Raises FieldError for what cannot be fetched, is no picture, or is
        over a limit.
        """
        accepted = replace(self.limits, **limits)
        if isinstance(source, UploadFile):
            source = await source.read(accepted.max_bytes + 1)
        if source is None or (isinstance(source, str) and source.strip().lower() in NOTHING) or not source:
            return None
        work = functools.partial(save_input, source, self.folder, accepted)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except MediaError as error:
            raise FieldError(field, str(error)) from error

    def close(self) -> None:
        """Take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
