"""Guidance of any pipeline from outside: phases, CFG-star, zero steps, projected guidance, left-out layers.

A pipeline with classifier-free guidance asks its network twice a step (with the prompt and without it), or once for
both, and mixes the answers by a formula of its own. Here both answers are replaced by the guided prediction: whatever
the formula, two equal answers leave it as it is, bit for bit. Where the prompted answer serves other guidance too, it
stays, and the unprompted one becomes what brings the formula to the same result. `Branching` says how each pipeline
asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer
from diffusers.guiders.guider_utils import rescale_noise_cfg

from shared.core.contracts import Step, WindowRequest
from shared.core.errors import SettingsError
from shared.diffusion.abilities import Branching, branching_of
from shared.diffusion.guidance_answer import Answer
from shared.diffusion.guidance_layers import check_layers, layers_left_out
from shared.diffusion.guidance_math import fitted, guided, new_momentum, projected, renormed
from shared.diffusion.guidance_nag import negative_attention
from shared.diffusion.guidance_plan import LEVELS, GuidancePlan, guidance_plan, pipeline_guidance
from shared.diffusion.passes import Pass, around_passes, denoisers
from shared.diffusion.sharpness import edge_blurred

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

__all__ = ["pipeline_guidance", "steered"]

# How much of the blur a sharpness of 1 takes out of the last prediction.
_BLUR = 0.001
# The setting that asks for it, and the key of the definition that says that a model has it.
_METHODS = (
    ("cfg_star_switch", "cfg_star"),
    ("apg_switch", "adaptive_projected_guidance"),
    ("perturbation_switch", "perturbation"),
    ("sharpness", "sharpness"),
    ("adaptive_cfg", "adaptive_cfg"),
)


@contextmanager
def steered(pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None]) -> Iterator[None]:
    """Within it, `pipe` is guided as the settings of `window` ask. What the pipeline does by itself it goes on doing.

    Raises SettingsError for what this model cannot do.
    """
    plan = guidance_plan(window, _expert_switch(pipe), tuple(model.get("guidance_polish") or (0.0, 1.0)))
    idle = _check(plan, model, window)
    if idle:
        on_step(Step("", notice=f"{', '.join(idle)}: no effect while guidance is off. Set guidance_scale above 1."))
    with ExitStack() as stack:
        if float(window.settings.get("NAG_scale") or 1) > 1:
            stack.enter_context(negative_attention(pipe, model, window, on_step))
        if not _is_the_pipelines_own(plan, pipe):
            branching = branching_of(type(pipe).__name__)
            if branching is None:
                names = " and ".join(_asked(plan))
                raise SettingsError(f"{names}: not available for this model with these inputs ({type(pipe).__name__}).")
            check_layers(denoisers(pipe), plan.layers)
            stack.enter_context(guided_from_outside(pipe, plan, branching))
        yield


@contextmanager
def guided_from_outside(pipe: Any, plan: GuidancePlan, branching: Branching) -> Iterator[None]:
    """Within it, the denoisers of `pipe` answer with the prediction guided as `plan` says."""
    guide = _Guide(plan, branching, pipe)
    with ExitStack() as stack:
        if branching.others:
            stack.enter_context(_counting_tokens(pipe, guide))
        stack.enter_context(around_passes(pipe, guide))
        yield


def _asked(plan: GuidancePlan) -> list[str]:
    """The settings that make a plan more than one scale."""
    asked = {
        "guidance_phases": len(set(plan.scales)) > 1,
        "cfg_star_switch": plan.star,
        "apg_switch": plan.projected,
        "cfg_zero_step": plan.zero_steps > 0,
        "perturbation_switch": bool(plan.layers),
        "sharpness": plan.sharpness > 0,
        "adaptive_cfg": 0 < plan.adaptive < max(plan.scales),
    }
    return [name for name, is_asked in asked.items() if is_asked]


def _expert_switch(pipe: Any) -> float | None:
    return getattr(pipe.config, "boundary_ratio", None)


def _is_the_pipelines_own(plan: GuidancePlan, pipe: Any) -> bool:
    """Two experts bring two scales, one each; the pipeline applies them where both guide."""
    if plan.is_plain or (max(plan.scales) <= 1 and not plan.zero_steps):
        return True
    own = _expert_switch(pipe) is not None and plan.switches == (_expert_switch(pipe),) and min(plan.scales) > 1
    return own and GuidancePlan(plan.scales, plan.switches) == _bare(plan)


def _bare(plan: GuidancePlan) -> GuidancePlan:
    """`plan`, equal to its scales and switches alone where it asks for nothing else."""
    is_bare = not (plan.star or plan.projected or plan.zero_steps or plan.layers or plan.is_finely_steered)
    return GuidancePlan(plan.scales, plan.switches) if is_bare else plan


def _check(plan: GuidancePlan, model: ModelDef, window: WindowRequest) -> list[str]:
    """Raise SettingsError for what the model lacks; the settings that need guidance where there is none."""
    asked = [(name, key) for name, key in _METHODS if window.settings.get(name)]
    if plan.zero_steps:
        asked.append(("cfg_zero_step", "cfg_zero"))
    if float(window.settings.get("NAG_scale") or 1) > 1:
        asked.append(("NAG_scale", "NAG"))
    for name, key in asked:
        if not model.get(key):
            raise SettingsError(f"{name}: not available for this model ({model.name}).")
    needing = {name for name, _ in _METHODS}
    return [name for name, _ in asked if name in needing] if max(plan.scales) <= 1 else []


class _Guide:
    """Answers the passes of one run with the guided prediction."""

    def __init__(self, plan: GuidancePlan, branching: Branching, pipe: Any) -> None:
        self._plan, self._branching, self._pipe = plan, branching, pipe
        self._momenta: dict[int, MomentumBuffer] = {}
        self._prompted: Answer | None = None
        self._guides = max(plan.scales) > 1
        self._lacks_one_side = False
        self.tokens: int | None = None
        """How many tokens the latents have, where the answers have others beside them."""

    def __call__(self, now: Pass) -> Any:
        if now.starts_run:
            self._momenta, self._lacks_one_side = {}, False
        if self._branching.scales:
            return self._through_unprompted(now)
        if self._branching.is_joint and self._guides:
            return self._both_at_once(now)
        if now.branch == 0:
            return self._with_prompt(now)
        self._lacks_one_side = False
        return self._unprompted(now)

    def _with_prompt(self, now: Pass) -> Any:
        if self._lacks_one_side:
            raise _one_sided(self._plan)
        self._lacks_one_side = self._guides
        self._prompted = self._answer(now)
        if now.step < self._plan.zero_steps:
            self._prompted.replace(torch.zeros_like(self._prompted.values))
        return self._prompted.whole()

    def _unprompted(self, now: Pass) -> Any:
        prompted = self._prompted
        assert prompted is not None
        if now.step < self._plan.zero_steps or self._is_off(now):
            if self._branching.remembers and now.step == 0:
                now.run()
            return prompted.copy()
        with layers_left_out(now.module, self._layers(now)):
            answer = self._answer(now)
        result = self._mix(now, prompted.values.to(answer.values.dtype), answer.values)
        prompted.replace(result)
        answer.replace(result)
        return answer.whole()

    def _both_at_once(self, now: Pass) -> Any:
        with layers_left_out(now.module, self._layers(now), half=self._branching.unprompted_half):
            answer = self._answer(now)
        cond, uncond = self._halves(answer.values)
        if now.step < self._plan.zero_steps:
            result = torch.zeros_like(cond)
        else:
            result = self._mix(now, cond, uncond)
        answer.replace(torch.cat([result, result]))
        return answer.whole()

    def _through_unprompted(self, now: Pass) -> Any:
        """The passes of other guidance, which come after, are left alone."""
        layers = self._layers(now) if now.branch == 0 and self._guides else ()
        with layers_left_out(now.module, layers, half=self._branching.unprompted_half):
            answer = now.run()
        answers = [Answer(answer, number) for number in range(len(self._branching.scales))]
        for number, (name, answer) in enumerate(zip(self._branching.scales, answers, strict=True)):
            own = float(getattr(self._pipe, name))
            if now.step < self._plan.zero_steps:
                answer.replace(torch.zeros_like(answer.values))
            elif now.branch == 0 and self._guides and own > 1:
                cond, uncond = self._halves(answer.values)
                wanted = self._mix(now, cond, uncond, number)
                fitting = cond - (wanted - cond) / (own - 1)
                pair = (fitting, cond) if self._branching.unprompted_half == 0 else (cond, fitting)
                answer.replace(torch.cat(pair))
        return answers[0].whole()

    def _answer(self, now: Pass) -> Answer:
        return Answer(now.run(), part=_part(self._branching.others, self.tokens))

    def _halves(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The prompted and the unprompted half of a joint answer."""
        halves = values.chunk(2)
        if len(halves) != 2 or halves[0].shape != halves[1].shape:
            raise _one_sided(self._plan)
        return halves[1 - self._branching.unprompted_half], halves[self._branching.unprompted_half]

    def _layers(self, now: Pass) -> tuple[int, ...]:
        return self._plan.layers if self._plan.leaves_out_layers(now.step, now.steps) else ()

    def _is_off(self, now: Pass) -> bool:
        """Whether the unprompted side counts for nothing at this step: its pass is spared."""
        return self._scale(now) == 1

    def _scale(self, now: Pass, number: int = 0) -> float:
        """The scale of the tensor `number` of an answer; those after the first have one of their own."""
        if number:
            return float(getattr(self._pipe, self._branching.scales[number]))
        return self._plan.scale(now.time, now.step, now.steps)

    def _mix(self, now: Pass, cond: torch.Tensor, uncond: torch.Tensor, number: int = 0) -> torch.Tensor:
        gone = min(max(1 - now.time * LEVELS / (LEVELS - 1), 0.0), 1.0)
        scale = self._plan.eased(self._scale(now, number), gone)
        if self._plan.sharpness:
            blurred = edge_blurred(cond, self._picture(now, cond))
            cond = torch.lerp(cond, blurred, _BLUR * self._plan.sharpness * gone)
        uncond = fitted(cond, uncond) if self._plan.star else uncond
        if self._plan.projected:
            momentum = self._momenta.setdefault(number, new_momentum())
            result = projected(cond, uncond, scale - 1, momentum)
        else:
            result = guided(cond, uncond, scale, from_cond=self._branching.from_cond)
        rescale = 0.0 if self._branching.scales else float(getattr(self._pipe, "guidance_rescale", 0) or 0)
        result = rescale_noise_cfg(result, cond, rescale) if rescale > 0 else result
        return renormed(result, cond) if self._branching.is_renormed else result


    def _picture(self, now: Pass, predicted: torch.Tensor) -> torch.Tensor:
        """What the prompted prediction makes of the noisy picture, at some scale of its own."""
        given = now.args[0] if now.args else now.options["sample"]
        if self._branching.is_joint:
            given = given.chunk(2)[1 - self._branching.unprompted_half]
        given, levels = given[:, : predicted.shape[1]], getattr(self._pipe.scheduler, "alphas_cumprod", None)
        if levels is None:
            return given
        level = float(levels[min(max(round(now.time * LEVELS), 0), len(levels) - 1)])
        if self._pipe.scheduler.config.prediction_type == "v_prediction":
            return level**0.5 * given - (1 - level) ** 0.5 * predicted
        return given - (1 - level) ** 0.5 * predicted


@contextmanager
def _counting_tokens(pipe: Any, guide: _Guide) -> Iterator[None]:
    """Within it, `guide` learns how many tokens the latents have: they are the first that the pipeline prepares."""
    prepare = pipe.prepare_latents

    def counted(*args: Any, **options: Any) -> Any:
        prepared = prepare(*args, **options)
        latents = prepared[0] if isinstance(prepared, tuple) else prepared
        guide.tokens = int(latents.shape[1])
        return prepared

    pipe.prepare_latents = counted
    try:
        yield
    finally:
        del pipe.prepare_latents


def _part(others: str, tokens: int | None) -> slice:
    """The tokens of an answer that belong to the latents."""
    if not others or tokens is None:
        return slice(None)
    return slice(None, tokens) if others == "behind" else slice(-tokens, None)


def _one_sided(plan: GuidancePlan) -> SettingsError:
    names = " and ".join(_asked(plan)) or "guidance_scale"
    return SettingsError(
        f"{names}: this model was asked with the prompt alone; it has no guidance that could be steered."
    )
