"""Stage 4: the trained parts as one diffusers pipeline of a few ten megabytes."""

import os
import shutil
from pathlib import Path

import torch
from diffusers import UniPCMultistepScheduler, WanPipeline

from .autoencoder import load_autoencoder
from .conditioning import FLOW_SHIFT
from .frame_autoencoder import to_diffusers
from .progress import load_checkpoint
from .transformer import StarterModel


def build_scheduler() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(
        num_train_timesteps=1000,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=FLOW_SHIFT,
        solver_order=2,
    )


def build_pipeline(folder: Path, preset: str = "cpu", averaged: bool = True) -> WanPipeline:
    """The pipeline of the checkpoints in `folder`; without `transformer.pt` its transformer is untrained."""
    latents = load_checkpoint(folder / "latents.pt")
    vae = to_diffusers(load_autoencoder(folder), latents["mean"].tolist(), latents["std"].tolist())
    path = folder / "transformer.pt"
    state = load_checkpoint(path) if path.exists() else None
    model = StarterModel(state["preset"] if state else preset)
    if state:
        model.load_state_dict(state["average" if averaged else "model"])
    model.eval()
    return WanPipeline(
        tokenizer=model.tokenizer,
        text_encoder=model.text_encoder,
        vae=vae,
        scheduler=build_scheduler(),
        transformer=model.transformer,
    )


def export(folder: Path, target: Path) -> None:
    """Write the pipeline to `target`, weights in bfloat16 but for the tiny text encoder; readers see old or new."""
    pipeline = build_pipeline(folder)
    pipeline.transformer.to(torch.bfloat16)
    pipeline.vae.to(torch.bfloat16)
    partial, old = target.with_name(target.name + ".partial"), target.with_name(target.name + ".old")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    pipeline.save_pretrained(partial, safe_serialization=True)
    for file in partial.rglob("*.safetensors"):
        file.chmod(0o644)
    for card in target.glob("*.md"):
        shutil.copy2(card, partial / card.name)
    if target.exists():
        os.rename(target, old)
    os.rename(partial, target)
    shutil.rmtree(old, ignore_errors=True)
