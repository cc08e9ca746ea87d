"""Where each weight of a model lies on disk, for the code that loads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shared.core.checkpoints import Finder
from shared.core.contracts import LoadOptions, ModelFile
from shared.core.errors import DownloadError
from shared.core.model_files import CHECKPOINT, PIPELINE, model_files
from shared.core.model_folder import ELSEWHERE, missing_files

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


@dataclass(frozen=True)
class Weights:
    """The files of a model.

    `folder` has diffusers' layout; None: the model is single files alone. `parts` are the files that stand for the
    weights of a part ("transformer", "transformer_2", "text_encoder", "vae"; "checkpoint": of all), whose folder then
    holds only its configuration. `modules` are laid over the transformer; `preload` are further files by name,
    `extra_parts` the folders or files of parts that the definition places elsewhere.
    """

    folder: Path | None = None
    parts: Mapping[str, Path] = field(default_factory=dict)
    modules: tuple[Path, ...] = ()
    preload: Mapping[str, Path] = field(default_factory=dict)
    extra_parts: Mapping[str, Path] = field(default_factory=dict)
    variant: str = ""


def find_weights(model: ModelDef, roots: Sequence[str], options: LoadOptions | None = None) -> Weights:
    """Where the model's files are. Raises DownloadError that names what is missing and where it was looked for."""
    finder = Finder(roots)
    places: list[tuple[ModelFile, Path]] = []
    for file in model_files(model, options):
        place = finder.locate(file)
        if place is None:
            raise DownloadError(_missing_text(model, file, roots))
        if file.role == PIPELINE:
            missing = missing_files(place, file.without)
            if missing:
                raise DownloadError(f"{model.name}: {place} is incomplete; missing {', '.join(missing)}.")
        places.append((file, place))
    by_role = {file.role: place for file, place in places}
    others = (PIPELINE, "module", "preload")
    extra = {file.role: place for file, place in places if file.role.startswith(ELSEWHERE)}
    return Weights(
        folder=by_role.get(PIPELINE),
        parts={file.role: place for file, place in places if file.role not in (*others, *extra)},
        extra_parts={role.removeprefix(ELSEWHERE): place for role, place in extra.items()},
        modules=tuple(place for file, place in places if file.role == "module"),
        preload={place.name: place for file, place in places if file.role == "preload"},
        variant=next((file.variant for file, _ in places if file.role == PIPELINE), ""),
    )


def is_single_file(weights: Weights) -> bool:
    """Whether one file holds the weights of all parts."""
    return CHECKPOINT in weights.parts


def _missing_text(model: ModelDef, file: ModelFile, roots: Sequence[str]) -> str:
    places = [str(Path(root) / file.path) for root in roots]
    if file.repo:
        places.append(f"the Hugging Face cache ({file.repo})")
    what = "its files are" if file.role == PIPELINE else f"{Path(file.path).name} is"
    origin = f" Fetch with: python wgp.py --download {model.model_type}" if file.repo or file.url else ""
    return f"{model.name}: {what} missing. Looked in {', '.join(places)}.{origin}"
