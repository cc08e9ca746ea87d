"""Lines about a model that are found out before anybody listens: kept with its network, told at its first run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.core.contracts import Step, WindowRequest
from shared.diffusion.passes import denoisers

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_KEPT = "_untold_notices"


def tell_later(pipe: Any, text: str) -> None:
    """Keep a line for the next run of `pipe`."""
    for network in denoisers(pipe)[:1]:
        vars(network).setdefault(_KEPT, []).append(text)


@contextmanager
def told(pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None]) -> Iterator[None]:
    """Tell what was kept, once."""
    for network in denoisers(pipe)[:1]:
        for text in vars(network).pop(_KEPT, []):
            on_step(Step("", notice=text))
    yield
