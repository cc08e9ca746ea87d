"""A family of models that diffusers' own pipelines run: a table of architectures. Loads no torch before `load`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.core.contracts import LoadOptions, ModelFile, Pipeline
from shared.core.custom_settings import NAME as CUSTOM
from shared.core.custom_settings import custom_problems, described
from shared.core.model_configs import NAME as CONFIG
from shared.core.model_configs import config_problems
from shared.core.model_configs import described as with_configs
from shared.core.model_files import model_files
from shared.core.model_params import params_of
from shared.diffusion.abilities import DECISIVE, with_abilities

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param

_DRIVER = "shared.diffusion.driver:DiffusersPipeline"


@dataclass(frozen=True)
class Architecture:
    """One architecture of a family.

    `pipelines` are the diffusers classes that a checkpoint may name, the usual one first; `definition` the keys that
    the program reads (fps, frame rule, what is offered); `driver` the class that runs it, as "module:Class". `problems`
    finds what is wrong with settings beyond their declarations, `params` changes the settings of a model. `loaded`, as
    "module:function", adds to the pipeline once it is loaded: `function(pipe, model, roots, options)`. `for_task` gives
    the definition with the parts that the settings of a task need beside the usual ones.
    """

    pipelines: tuple[str, ...]
    definition: Mapping[str, Any] = field(default_factory=dict)
    driver: str = _DRIVER
    problems: Callable[[Mapping[str, Any], ModelDef], Iterable[str]] | None = None
    params: Callable[[list[Param], ModelDef], list[Param]] | None = None
    loaded: str = ""
    for_task: Callable[[ModelDef, Mapping[str, Any]], ModelDef] | None = None


@dataclass(frozen=True)
class DiffusersFamily:
    """See core.contracts.FamilyHandler. `table` has the architectures by id."""

    name: str
    label: str
    order: int
    table: Mapping[str, Architecture] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def architectures(self) -> frozenset[str]:
        """The ids of the architectures."""
        return frozenset(self.table)

    def settings(self, model: ModelDef) -> Sequence[Param]:
        """The settings of this model, with its bounds, choices and defaults."""
        params = offered(model)
        change = self.table[model.architecture].params
        return change(params, model) if change else params

    def definition(self, architecture: str, block: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """What the architecture implies; the JSON's own keys win."""
        found = self.table[architecture]
        own = {key: value for key, value in (block or {}).items() if key in DECISIVE}
        return with_abilities(found.pipelines, {**found.definition, **own})

    def files(self, model: ModelDef, options: LoadOptions | None = None) -> Sequence[ModelFile]:
        """The checkpoint's folder, and the single files that the definition names."""
        refiner = model.get("refined_by")
        others = [] if refiner is None else model_files(refiner, options)
        return [*model_files(model, options), *others]

    def for_task(self, model: ModelDef, settings: Mapping[str, Any]) -> ModelDef:
        """The definition with what these settings need to be loaded beside the usual."""
        extend = self.table[model.architecture].for_task
        return extend(model, settings) if extend else model

    def problems(self, settings: Mapping[str, Any], model: ModelDef) -> Sequence[str]:
        """What only this family can find wrong with a settings dict."""
        find = self.table[model.architecture].problems
        own = find(settings, model) if find else ()
        common = (control_problems, custom_problems, config_problems)
        return [*(sentence for find_common in common for sentence in find_common(settings, model)), *own]

    def load(self, model: ModelDef, roots: Sequence[str], options: LoadOptions) -> Pipeline:
        """Load the model found under the checkpoint roots or in the Hugging Face cache."""
        from shared.diffusion.attention import choose_attention
        from shared.diffusion.compiling import compile_blocks
        from shared.diffusion.joint_passes import allow_joint_passes
        from shared.diffusion.loading import load_pipeline
        from shared.diffusion.lora import leave_out_loras
        from shared.diffusion.offload import place

        architecture = self.table[model.architecture]
        driver_class = _named(architecture.driver)
        pipe = load_pipeline(model, roots, options, architecture.pipelines)
        if architecture.loaded:
            _named(architecture.loaded)(pipe, model, roots, options)
        choose_attention(pipe, options.attention, options.device)
        stays = place(pipe, options) == "resident"
        compile_blocks(pipe, options.compile if stays else "", options.device)
        allow_joint_passes(pipe, options.joint_passes and not options.leaner)
        leave_out_loras(pipe, options.leaves_out_loras)
        return driver_class(pipe, model, keeps_weights=stays)


def _named(place: str) -> Any:
    """What "module:name" stands for."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def offered(model: ModelDef) -> list[Param]:
    """The settings that the definition asks for; of the control letters those in `control_letters`, where given."""
    params = params_of(model)
    if not model.get("masking_strength"):
        params.pop("masking_strength", None)
    control, letters = params.get("video_prompt_type"), model.get("control_letters")
    if control is not None and letters is not None:
        choices = tuple(choice for choice in control.choices if choice[1] in letters)
        params["video_prompt_type"] = control.with_changes(choices=choices)
    if CUSTOM in params:
        params[CUSTOM] = described(params[CUSTOM], model)
    if CONFIG in params:
        params[CONFIG] = with_configs(params[CONFIG], model)
    return list(params.values())


def control_problems(settings: Mapping[str, Any], model: ModelDef) -> Iterable[str]:
    """A sentence for control letters that the model does not have."""
    accepted = str(model.get("control_letters") or "")
    refused = "".join(letter for letter in settings.get("video_prompt_type") or "" if letter not in accepted)
    if refused and accepted:
        yield (
            f'video_prompt_type: "{refused}" is not available for this model. Use letters among {", ".join(accepted)}.'
        )
