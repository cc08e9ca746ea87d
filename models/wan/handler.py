"""What the program asks of the Wan family. Imports no torch; `load` brings in the part that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.wan.architectures import ARCHITECTURES
from models.wan.settings import wan_params, wan_problems
from shared.core.contracts import LoadOptions, ModelFile, Pipeline
from shared.core.model_files import model_files

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef
    from shared.core.params import Param


@dataclass(frozen=True)
class WanHandler:
    """See core.contracts.FamilyHandler."""

    name: str = "wan"
    label: str = "Wan"
    order: int = 0
    architectures: frozenset[str] = frozenset(ARCHITECTURES)

    def settings(self, model: ModelDef) -> Sequence[Param]:
        """The settings of this model, with its bounds, choices and defaults."""
        return wan_params(model)

    def definition(self, architecture: str, block: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """What the architecture implies; the JSON's own keys win."""
        return ARCHITECTURES[architecture]

    def files(self, model: ModelDef, options: LoadOptions | None = None) -> Sequence[ModelFile]:
        """The checkpoint's folder, and the single files that the definition names."""
        return model_files(model, options)

    def problems(self, settings: Mapping[str, Any], model: ModelDef) -> Sequence[str]:
        """What only this family can find wrong with a settings dict."""
        return wan_problems(settings, model)

    def load(self, model: ModelDef, roots: Sequence[str], options: LoadOptions) -> Pipeline:
        """Load the model found under the checkpoint roots or in the Hugging Face cache."""
        from models.wan.pipeline import load

        return load(model, roots, options)


handler = WanHandler()
