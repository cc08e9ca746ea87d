"""The samplers of Stable Diffusion XL and the noise schedules each can follow, by the names that Fooocus and ComfyUI
gave them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Noise levels that are laid out anew, and those that are steps of the training schedule.
_CURVES = ("karras", "exponential")
_SPACINGS = ("normal", "simple", "sgm_uniform", "ddim_uniform")

SCHEDULES: tuple[tuple[str, str], ...] = (
    ("The model's own", ""), ("Karras", "karras"), ("Exponential", "exponential"), ("Even", "normal"),
    ("Even, from the last", "sgm_uniform"), ("Simple", "simple"), ("DDIM", "ddim_uniform"),
)  # fmt: skip

SAMPLERS: tuple[tuple[str, str], ...] = (
    ("Euler", "euler"), ("Euler ancestral", "euler_ancestral"), ("Heun", "heun"), ("DPM2", "dpm_2"),
    ("DPM2 ancestral", "dpm_2_ancestral"), ("DPM++ SDE", "dpmpp_sde"),
    ("DPM++ SDE (gpu)", "dpmpp_sde_gpu"), ("DPM++ 2M", "dpmpp_2m"), ("DPM++ 2M SDE", "dpmpp_2m_sde"),
    ("DPM++ 2M SDE (gpu)", "dpmpp_2m_sde_gpu"), ("DPM++ 3M SDE", "dpmpp_3m_sde"),
    ("DPM++ 3M SDE (gpu)", "dpmpp_3m_sde_gpu"), ("DDPM", "ddpm"), ("LCM", "lcm"), ("TCD", "tcd"), ("DDIM", "ddim"),
    ("UniPC", "uni_pc"), ("UniPC bh2", "uni_pc_bh2"),
)  # fmt: skip

_ONLY_SPACINGS = ("ddpm", "lcm", "tcd", "ddim")


def schedules_of(sampler: str) -> tuple[str, ...]:
    """The schedules that a sampler can follow; "" as sampler is the checkpoint's own."""
    return _SPACINGS if sampler in _ONLY_SPACINGS else (*_CURVES, *_SPACINGS)


SPACINGS: Mapping[str, str] = MappingProxyType(
    {"normal": "linspace", "simple": "trailing", "sgm_uniform": "trailing", "ddim_uniform": "leading"}
)
CURVES: Mapping[str, str] = MappingProxyType({"karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas"})
