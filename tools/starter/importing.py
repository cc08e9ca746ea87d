"""A training folder from an exported model, so that training goes on where only the export is left.

The weights come back as they were stored (bfloat16), the logs from the tables of the model card; the optimizers start
anew, and so does the schedule of the learning rate.
"""

import csv
from pathlib import Path

import torch
from diffusers import WanPipeline

from .autoencoder import AutoencoderPlan, autoencoder_state, build_optimizer
from .flow_transformer import PRESETS
from .frame_autoencoder import from_diffusers
from .progress import save_checkpoint
from .transformer import StarterModel, TransformerPlan, build_optimizers

# The log whose table in the card has this column.
_LOGS = {"autoencoder.csv": "psnr_db", "transformer.csv": "loss_even"}


def import_model(source: Path, folder: Path) -> None:
    """Write `autoencoder.pt`, `latents.pt`, `transformer.pt` and the logs of the exported model `source` to `folder`.

    Raises a FileExistsError where a transformer lies in `folder` already.
    """
    if (folder / "transformer.pt").exists():
        raise FileExistsError(f"{folder / 'transformer.pt'} is there already: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    card = source / "README.md"
    logs = _write_logs(card.read_text() if card.exists() else "", folder)
    pipeline = WanPipeline.from_pretrained(source, torch_dtype=torch.float32)
    autoencoder = from_diffusers(pipeline.vae)
    optimizer = build_optimizer(autoencoder, AutoencoderPlan())
    save_checkpoint(folder / "autoencoder.pt", autoencoder_state(autoencoder, optimizer, *logs["autoencoder.csv"]))
    statistics = {"mean": pipeline.vae.config.latents_mean, "std": pipeline.vae.config.latents_std}
    save_checkpoint(folder / "latents.pt", {name: torch.tensor(values) for name, values in statistics.items()})
    model = StarterModel(_preset_of(pipeline.transformer.config))
    exported = StarterModel.of_parts(pipeline.tokenizer, pipeline.text_encoder, pipeline.transformer)
    model.load_state_dict(exported.state_dict())
    step, spent_s = logs["transformer.csv"]
    state = {
        "preset": _preset_of(pipeline.transformer.config),
        "model": model.state_dict(),
        "average": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in build_optimizers(model, TransformerPlan())],
        "step": step,
        "spent_s": 0.0,
        "earlier_steps": step,
        "earlier_s": spent_s,
    }
    save_checkpoint(folder / "transformer.pt", state)


def _preset_of(config: dict) -> str:
    return next(name for name, sizes in PRESETS.items() if all(config[key] == value for key, value in sizes.items()))


def _write_logs(card: str, folder: Path) -> dict[str, tuple[int, float]]:
    """Write each log from its table in the card; returns the last step and the seconds of each, 0 where none is."""
    ends = {}
    for name, column in _LOGS.items():
        rows = _table_with(column, card)
        ends[name] = (int(rows[-1]["step"]), 60 * float(rows[-1]["minutes"])) if rows else (0, 0.0)
        if rows:
            with (folder / name).open("w", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    return ends


def _table_with(column: str, markdown: str) -> list[dict[str, str]]:
    """The rows of the first table that has the column."""
    rows: list[list[str]] = []
    for line in markdown.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if column in cells or (rows and cells):
            rows.append(cells)
        elif rows:
            break
    return [dict(zip(rows[0], cells, strict=True)) for cells in rows[2:]]
