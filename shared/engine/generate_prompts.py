"""The words of each sample: wildcards filled, arrays picked, styles put around, extended by a language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.core.annotators import ANNOTATORS
from shared.core.lora_files import LoraFolder
from shared.core.lora_multipliers import with_loras
from shared.core.performance import apply_performance
from shared.core.prompts import PromptUnit
from shared.core.sample_prompts import JOINT, SampleNumbers, picked, styled
from shared.core.styles import EXPANSION
from shared.core.wildcards import Wildcards, each_line, take_loras, unknown_wildcards
from shared.engine.annotate import annotator_on_disk
from shared.engine.generate_report import Reporter
from shared.engine.services import Services


@dataclass(frozen=True)
class Written:
    """The prompts of one sample: `units` and `negative` as the model reads them; `changes` are the settings that make
    this sample again, `told` what else its file says about the prompt."""

    units: tuple[PromptUnit, ...]
    negative: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)


def prepared_settings(settings: Mapping[str, Any], folder: LoraFolder) -> dict[str, Any]:
    """The settings with their performance preset, and with the `<lora:name:weight>` of the prompt among their LoRAs."""
    settings = apply_performance(settings)
    bare, found = take_loras(str(settings.get("prompt") or ""))
    if not found:
        return settings
    named = [(folder.named(name), weight) for name, weight in found]
    return with_loras({**settings, "prompt": bare}, named)


class PromptWriter:
    """Writes the prompts of the samples of one task."""

    def __init__(self, settings: Mapping[str, Any], services: Services, report: Reporter) -> None:
        self._settings, self._services, self._report = settings, services, report
        self._lists = Wildcards(services.root / "wildcards")
        self._expand: Callable[[str, int], str] | None = None
        self._is_told = False
        for name in unknown_wildcards(f"{settings.get('prompt')}\n{settings.get('negative_prompt')}", self._lists):
            report.info(f"prompt: there is no wildcards/{name}.txt; __{name}__ stays as it is written.")

    def __call__(self, units: tuple[PromptUnit, ...], seed: int, index: int) -> Written:
        """The prompts of sample `index` (from 0) of a clip whose own are `units`."""
        sample = SampleNumbers(seed, index)

        def pick(text: str) -> str:
            return picked(text, self._settings, self._lists, sample)

        given = str(self._settings.get("negative_prompt") or "")
        chosen, avoided = [pick(unit.text) for unit in units], pick(given)
        read, expanded, negative = [], [], avoided
        for text in chosen:
            parts = styled(text, avoided, self._settings, sample)
            expanded.append(self._expanded(text, seed) if parts.expands else "")
            read.append(JOINT.join(filter(None, [*parts.positive, expanded[-1]])))
            negative = JOINT.join(parts.negative)
        changes: dict[str, Any] = {} if avoided == given else {"negative_prompt": avoided}
        if chosen != [unit.text for unit in units]:
            whole = units[0].source or units[0].text if len(units) == 1 else str(self._settings.get("prompt") or "")
            changes["prompt"] = each_line(whole, pick)
        written = tuple(replace(unit, text=text) for unit, text in zip(units, read, strict=True))
        told = self._told(changes, units, read, negative)
        if any(expanded):
            told["prompt_expansion"] = "\n".join(expanded)
        return Written(written, negative, changes, told)

    def _told(
        self, changes: Mapping[str, Any], units: tuple[PromptUnit, ...], read: list[str], negative: str
    ) -> dict[str, str]:
        told = {}
        if "prompt" in changes:
            told["original_prompt"] = str(self._settings.get("prompt") or "")
        if read != [unit.text for unit in units]:
            told["full_prompt"] = "\n".join(read)
        if negative != str(self._settings.get("negative_prompt") or ""):
            told["full_negative_prompt"] = negative
        return told

    def _expanded(self, text: str, seed: int) -> str:
        """The text as the expansion model goes on with it; "" where that model is not here."""
        if self._expand is None:
            folder = annotator_on_disk("expansion", self._services)
            if folder is None:
                self._tell_missing()
                return ""
            from shared.diffusion.expansion import PromptExpansion

            self._report.phase("Extending the prompt")
            self._expand = PromptExpansion(folder)
        return self._expand(text, seed)

    def _tell_missing(self) -> None:
        if not self._is_told:
            wanted = ANNOTATORS["expansion"]
            self._report.info(
                f'styles: "{EXPANSION}" extends no prompt, its model is not here. Put {wanted.repo} into '
                f"ckpts/{wanted.folder}."
            )
        self._is_told = True
