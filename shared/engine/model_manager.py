"""The loaded model of a device: kept between tasks, loaded again only when another one is asked for."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from shared.core.contracts import FamilyHandler, LoadOptions, Pipeline

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


class HandlerSource(Protocol):
    """Who knows the family of a model."""

    def handler(self, model: ModelDef) -> FamilyHandler:
        """The handler of the model's family."""


class ModelManager:
    """At most one resident Pipeline; the next model takes the place of the last."""

    def __init__(self, registry: HandlerSource, roots: Sequence[str]) -> None:
        self._registry, self._roots = registry, tuple(roots)
        self._key: tuple[Any, ...] | None = None
        self._pipeline: Pipeline | None = None

    def is_loaded(self, model: ModelDef, options: LoadOptions) -> bool:
        """Whether `acquire` would answer at once."""
        return self._pipeline is not None and self._key == _key(model, options)

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders in which weights are looked for, in order."""
        return self._roots

    @property
    def resident(self) -> Pipeline | None:
        """The loaded model, whichever it is."""
        return self._pipeline

    @property
    def resident_type(self) -> str | None:
        """The id of the loaded model."""
        return None if self._key is None else str(self._key[0])

    def acquire(self, model: ModelDef, options: LoadOptions) -> Pipeline:
        """The loaded model. Raises DownloadError when its files are missing."""
        if self._pipeline is not None and self.is_loaded(model, options):
            return self._pipeline
        self.release()
        pipeline = self._registry.handler(model).load(model, self._roots, options)
        self._pipeline, self._key = pipeline, _key(model, options)
        return pipeline

    def make_leaner(self, model: ModelDef, options: LoadOptions) -> bool:
        """Let the loaded model hold less memory at once, as `options` (with `leaner`) want it, without loading it
        again; False where it is not loaded or cannot."""
        change = getattr(self._pipeline, "make_leaner", None)
        if change is None or self.resident_type != model.model_type:
            return False
        free_memory()
        if not change(options):
            return False
        self._key = _key(model, options)
        return True

    def release(self) -> None:
        """Unload the model and give its memory back."""
        if self._pipeline is None:
            return
        self._pipeline = self._key = None
        free_memory()


def free_memory() -> None:
    """Return what Python, the allocator and the device no longer use."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _key(model: ModelDef, options: LoadOptions) -> tuple[Any, ...]:
    return model.model_type, repr(model.model), options
