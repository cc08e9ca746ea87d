"""The attention kernel of one model, without touching that of others."""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from shared.core.errors import SettingsError

BACKENDS = {"sdpa": "native", "flash": "flash", "xformers": "xformers", "sage": "sage", "sage2": "sage"}


def set_attention(model: Any, name: str) -> None:
    """Choose the kernel of `model` by its WanGP name ("" or "auto": leave it).

    diffusers makes the choice the default of the whole process as well; that default is put back. Raises
    SettingsError for a name that is not known or a kernel that this machine lacks.
    """
    if name in ("", "auto"):
        return
    if name not in BACKENDS:
        raise SettingsError(f'override_attention: "{name}" is not known. Use {" or ".join(BACKENDS)}.')
    default = _AttentionBackendRegistry._active_backend
    try:
        model.set_attention_backend(BACKENDS[name])
    except (RuntimeError, ValueError, ImportError) as exc:
        raise SettingsError(f'override_attention: "{name}" cannot run here: {exc}') from exc
    finally:
        _AttentionBackendRegistry._active_backend = default
