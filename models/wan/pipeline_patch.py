"""A method of a pipeline exchanged for the length of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, method: Any) -> Iterator[None]:
    """Within it, `owner.name` is `method`; afterwards that of its class, whatever happened."""
    object.__setattr__(owner, name, method)
    try:
        yield
    finally:
        object.__delattr__(owner, name)
