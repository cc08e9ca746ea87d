"""The samplers of Stable Diffusion XL and the noise schedules each can follow, by the names that Fooocus and ComfyUI
gave them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Noise levels that are laid out anew, and those that are steps of the training schedule.
_CURVES = ("karras", "exponential", "turbo", "align_your_steps")
_SPACINGS = ("normal", "simple", "sgm_uniform", "ddim_uniform")
_OF_DISTILLED = ("lcm", "tcd")
EDM = "edm_playground_v2.5"

SCHEDULES: tuple[tuple[str, str], ...] = (
    ("The model's own", ""), ("Even", "normal"), ("Karras", "karras"), ("Exponential", "exponential"),
    ("Even, from the last", "sgm_uniform"), ("Simple", "simple"), ("DDIM", "ddim_uniform"), ("LCM", "lcm"),
    ("Turbo", "turbo"), ("Align your steps", "align_your_steps"), ("TCD", "tcd"), ("EDM (Playground v2.5)", EDM),
)  # fmt: skip

SAMPLERS: tuple[tuple[str, str], ...] = (
    ("Euler", "euler"), ("Euler ancestral", "euler_ancestral"), ("Heun", "heun"), ("Heun++ 2", "heunpp2"),
    ("DPM2", "dpm_2"), ("DPM2 ancestral", "dpm_2_ancestral"), ("LMS", "lms"), ("DPM fast", "dpm_fast"),
    ("DPM adaptive", "dpm_adaptive"), ("DPM++ 2S ancestral", "dpmpp_2s_ancestral"), ("DPM++ SDE", "dpmpp_sde"),
    ("DPM++ SDE (gpu)", "dpmpp_sde_gpu"), ("DPM++ 2M", "dpmpp_2m"), ("DPM++ 2M SDE", "dpmpp_2m_sde"),
    ("DPM++ 2M SDE (gpu)", "dpmpp_2m_sde_gpu"), ("DPM++ 3M SDE", "dpmpp_3m_sde"),
    ("DPM++ 3M SDE (gpu)", "dpmpp_3m_sde_gpu"), ("DDPM", "ddpm"), ("LCM", "lcm"), ("TCD", "tcd"),
    ("Restart", "restart"), ("DDIM", "ddim"), ("UniPC", "uni_pc"), ("UniPC bh2", "uni_pc_bh2"),
)  # fmt: skip

# Samplers that are not here, and which takes their place.
NEAREST: Mapping[str, str] = MappingProxyType(
    {
        "heunpp2": "heun", "lms": "dpmpp_2m", "dpm_fast": "dpmpp_2s", "dpm_adaptive": "dpmpp_2s",
        "dpmpp_2s_ancestral": "dpmpp_2s", "restart": "heun",
    }
)  # fmt: skip

_ONLY_SPACINGS = ("ddpm", "lcm", "tcd", "ddim")

SPACINGS: Mapping[str, str] = MappingProxyType(
    {"normal": "linspace", "simple": "trailing", "sgm_uniform": "trailing", "ddim_uniform": "leading"}
)


def schedules_of(sampler: str) -> tuple[str, ...]:
    """The schedules that a sampler follows as they are; "" as sampler is the checkpoint's own."""
    if sampler in _OF_DISTILLED:
        return (*_SPACINGS, *_OF_DISTILLED)
    if sampler in _ONLY_SPACINGS:
        return _SPACINGS
    return (*_CURVES, *_SPACINGS)


def schedule_for(sampler: str, schedule: str) -> str:
    """The schedule itself, or the nearest one that the sampler can follow."""
    if schedule in (*schedules_of(sampler), "", EDM) and schedule not in _OF_DISTILLED:
        return schedule
    if schedule in _OF_DISTILLED:
        return "" if sampler in _OF_DISTILLED else "sgm_uniform"
    return "karras" if "karras" in schedules_of(sampler) else "sgm_uniform"


def sampler_notes(sampler: str, schedule: str) -> list[str]:
    """What the user should know of a sampler and a schedule that something near takes the place of."""
    notes = []
    if sampler in NEAREST:
        notes.append(f"sample_solver: {sampler} is run as {NEAREST[sampler]}, the nearest that there is.")
    found = schedule_for(sampler, schedule)
    if found != schedule and schedule not in _OF_DISTILLED:
        notes.append(f"noise_schedule: {sampler} cannot follow {schedule}; {found} takes its place.")
    return notes
