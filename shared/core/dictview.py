"""A typed window over a dict that it does not own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Key(Generic[T]):
    """One key of a dict, spelled once: its default (made fresh each time by `make`) and what it means.

    Reading an absent key gives the default without storing it, except for mutable defaults (lists and dicts),
    which are stored so that changes to them last.
    """

    def __init__(self, make: Callable[[], T], doc: str, *, writer: str = "") -> None:
        self.make, self.__doc__, self.writer = make, doc, writer
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, view: None, owner: type) -> Key[T]: ...
    @overload
    def __get__(self, view: DictView, owner: type) -> T: ...
    def __get__(self, view: DictView | None, owner: type) -> Key[T] | T:
        if view is None:
            return self
        if self.name in view.data:
            return view.data[self.name]
        value = self.make()
        if isinstance(value, (list, dict)):
            view.data[self.name] = value
        return value

    def __set__(self, view: DictView, value: T) -> None:
        view.data[self.name] = value

    def __delete__(self, view: DictView) -> None:
        view.data.pop(self.name, None)

    def is_in(self, view: DictView) -> bool:
        """Whether the key is present (some WanGP plugins test presence, not value)."""
        return self.name in view.data


class DictView:
    """Base of the views; `data` is the dict itself, unknown keys in it are left alone."""

    __slots__ = ("data",)

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @classmethod
    def keys(cls) -> dict[str, Key[Any]]:
        """Every declared key by name."""
        return {name: key for base in cls.__mro__ for name, key in vars(base).items() if isinstance(key, Key)}
