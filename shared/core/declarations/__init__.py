"""Every setting, declared once, a table a group."""

from __future__ import annotations

from shared.core.declarations import control, finishing, frames, guidance, media, pictures, prompt, sampling, sound
from shared.core.params import GROUPS, Param

_TABLES = (
    prompt.PARAMS, media.PARAMS, frames.PARAMS, guidance.PARAMS, sampling.PARAMS, control.PARAMS, pictures.PARAMS,
    sound.PARAMS,    finishing.PARAMS,
)  # fmt: skip


def all_params() -> dict[str, Param]:
    """Every declared setting by name, in the order of the groups."""
    params = [param for table in _TABLES for param in table]
    return {param.name: param for param in sorted(params, key=lambda param: GROUPS.index(param.group))}
