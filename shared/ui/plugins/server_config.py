"""The program's configuration as the dict that plugins know."""

from __future__ import annotations

from typing import Any

from shared.core.config import Config


class ServerConfig(dict[str, Any]):
    """`server_config`: reads see the value in force, a change is saved at once."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.as_dict())
        self._config = config

    def __getitem__(self, key: str) -> Any:
        value = self._config.get(key, self)
        if value is self or isinstance(value, ServerConfig):
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`."""
        return self._config.get(key, default)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._config.update(**{key: value})

    def update(self, *values: Any, **named: Any) -> None:
        """Change several values and save them."""
        for key, value in dict(*values, **named).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of `key`, which is made `default` where there is none."""
        if self._config.get(key) is None:
            self[key] = default
        return self._config.get(key)
