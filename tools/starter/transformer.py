"""Training stage 3: transformer and text encoder together, by flow matching on the pool of encoded clips."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from .autoencoder import load_autoencoder
from .captions import sample_caption
from .conditioning import sample_levels
from .flow_transformer import block_forward, build_transformer, training_forward
from .muon import StackedMuon
from .pool import Bucket, ClipPool
from .progress import Clock, TrainingLog, learning_rate_factor, load_checkpoint, save_checkpoint
from .text import build_text_encoder, build_tokenizer, encode_prompts

# (until this share of the time, {bucket: chance}). Small frames and few of them first, because such a step shows many
# clips; whole clips of the native size at the end.
_SMALL = {Bucket(17, 64, 64, 9): 0.90, Bucket(9, 64, 64): 0.06, Bucket(1, 64, 64): 0.04}
_MIDDLE = {Bucket(17, 96, 96, 9): 0.86, Bucket(17, 64, 64): 0.06, Bucket(9, 96, 96): 0.04, Bucket(1, 96, 96): 0.04}
_SPARSE = {Bucket(17, 128, 128, 5): 0.70, Bucket(1, 128, 128): 0.30}
_NATIVE = {
    Bucket(17, 128, 128): 0.50,
    Bucket(9, 128, 128): 0.31,
    Bucket(1, 128, 128): 0.12,
    Bucket(17, 96, 96): 0.02,
    Bucket(17, 96, 128): 0.01,
    Bucket(17, 128, 96): 0.01,
    Bucket(17, 96, 160): 0.01,
    Bucket(17, 160, 96): 0.01,
    Bucket(9, 192, 192): 0.01,
}
# Another run, from a model that knows motion already: the opening picture decides the shape, and 160 pictures cost no
# more than ten whole clips.
_PICTURES = {
    Bucket(1, 128, 128): 0.62,
    Bucket(17, 128, 128, 5): 0.20,
    Bucket(17, 128, 128): 0.08,
    Bucket(9, 128, 128): 0.02,
    Bucket(1, 96, 128): 0.015,
    Bucket(1, 128, 96): 0.015,
    Bucket(1, 96, 160): 0.015,
    Bucket(1, 160, 96): 0.015,
    Bucket(1, 96, 96): 0.02,
}
_FINISH = {
    Bucket(1, 128, 128): 0.45,
    Bucket(17, 128, 128, 5): 0.12,
    Bucket(17, 128, 128): 0.30,
    Bucket(9, 128, 128): 0.05,
    Bucket(1, 96, 128): 0.01,
    Bucket(1, 128, 96): 0.01,
    Bucket(1, 96, 160): 0.01,
    Bucket(1, 160, 96): 0.01,
    Bucket(1, 96, 96): 0.01,
    Bucket(17, 96, 128): 0.01,
    Bucket(17, 128, 96): 0.01,
    Bucket(17, 96, 160): 0.01,
}
# Compiling pays where many steps are made; each bucket costs half a minute.
COMPILED = frozenset({bucket for bucket in (*_SMALL, *_MIDDLE, *_SPARSE) if bucket.kept}) | {
    Bucket(1, 128, 128),
    Bucket(17, 128, 128),
}
CURRICULA = {
    "whole": ((0.25, _SMALL), (0.43, _MIDDLE), (0.84, _SPARSE), (1.01, _NATIVE)),
    "pictures": ((0.78, _PICTURES), (1.01, _FINISH)),
}


@dataclass(frozen=True)
class TransformerPlan:
    """`tokens` a step whatever the bucket; one clip in `renewal` of a batch is new, the others are drawn again."""

    preset: str = "cpu"
    minutes: float = 95.0
    tokens: int = 2720
    muon_rate: float = 3e-3
    adam_rate: float = 1.5e-3
    warmup_steps: int = 60
    decay_from: float = 0.62
    even_share: float = 0.15
    caption_drop: float = 0.10
    ema_decay: float = 0.99
    renewal: int = 10
    centred: float = 0.3
    centred_pictures: float = 0.6
    pool_capacity: int = 4000
    pool_start: int = 240
    seed: int = 0
    curriculum: tuple = CURRICULA["whole"]


class StarterModel(nn.Module):
    """The two networks trained here, and the tokenizer."""

    def __init__(self, preset: str):
        super().__init__()
        self.tokenizer = build_tokenizer()
        self.text_encoder = build_text_encoder(len(self.tokenizer))
        self.transformer = build_transformer(preset)

    @classmethod
    def of_parts(cls, tokenizer: PreTrainedTokenizerBase, text_encoder: nn.Module, transformer: nn.Module) -> Self:
        """A model around networks that exist already."""
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model.tokenizer, model.text_encoder, model.transformer = tokenizer, text_encoder, transformer
        return model

    def velocity(
        self,
        latents: Tensor,
        timestep: Tensor,
        prompts: list[str],
        frames: Tensor | None = None,
        run_block: Callable[..., Tensor] = block_forward,
    ) -> Tensor:
        text, bias = encode_prompts(self.tokenizer, self.text_encoder, prompts)
        return training_forward(self.transformer, latents, timestep, text, bias, frames, run_block)


def build_optimizers(model: StarterModel, plan: TransformerPlan) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for everything else."""
    matrices = [p for p in model.transformer.blocks.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        StackedMuon(matrices, plan.muon_rate, weight_decay=0.01),
        torch.optim.AdamW(others, plan.adam_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


class TransformerTrainer:
    """State of the stage: model, its moving average, optimizers, pool, clock."""

    def __init__(self, plan: TransformerPlan, folder: Path, device: str, resume: bool):
        torch.manual_seed(plan.seed)
        self.plan, self.folder, self.device = plan, folder, device
        latents = load_checkpoint(folder / "latents.pt")
        self.pool = ClipPool(
            load_autoencoder(folder, device),
            latents["mean"],
            latents["std"],
            plan.pool_capacity,
            plan.centred,
            plan.centred_pictures,
        )
        self.model = StarterModel(plan.preset).to(device)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimizers = build_optimizers(self.model, plan)
        self.step, spent = 0, 0.0
        self.earlier_steps, self.earlier_s = 0, 0.0
        if resume and self.path.exists():
            spent = self._restore()
        self.clock = Clock(plan.minutes, spent)
        self.log = TrainingLog(folder / "transformer.csv")
        self.compiled_block: Callable[..., Tensor] | None = None

    @property
    def path(self) -> Path:
        return self.folder / "transformer.pt"

    def train(self) -> None:
        saved, losses = self.clock.spent_s, []
        while not self.clock.is_over:
            losses.append(self.train_step())
            if self.step % 20 == 0:
                self._report(losses)
                losses.clear()
            if self.clock.spent_s - saved > 120:
                saved = self.clock.spent_s
                self.save()
        self.save()

    def train_step(self) -> tuple[float, bool, Bucket]:
        """One update; returns its loss, whether the levels were even, and the bucket."""
        rng = np.random.default_rng((self.plan.seed, 1, self.step))
        bucket = self._choose_bucket(rng)
        count = max(1, min(self.plan.tokens // bucket.tokens, 160))
        missing = max(0, min(self.plan.pool_start, 8 * count) - self.pool.size(bucket))
        self.pool.add(bucket, max(missing, -(-count // self.plan.renewal)), rng)
        latents, scenes = self.pool.draw(bucket, count, rng)
        frames = torch.from_numpy(bucket.choose_frames(rng))
        prompts = [
            "" if rng.random() < self.plan.caption_drop else sample_caption(scene, rng, bucket.frames == 1)
            for scene in scenes
        ]
        even = bucket.frames == 1 or bool(rng.random() < self.plan.even_share)
        levels = sample_levels(rng, count, bucket.grid, even)
        run_block = self.compiled_block if bucket in COMPILED and self.compiled_block else block_forward
        loss = self._loss(latents[:, :, frames], frames, levels, prompts, even, run_block)
        loss.backward()
        self._update()
        return float(loss.detach()), even, bucket

    def _loss(
        self,
        latents: Tensor,
        frames: Tensor,
        levels: np.ndarray,
        prompts: list[str],
        even: bool,
        run_block: Callable[..., Tensor],
    ) -> Tensor:
        """Mean squared error of the velocity over the tokens that are not given; `frames` are places in time.

        The subject gets no weight of its own: where it might be, it would then be expected too often, and its corners
        and holes fill up.
        """
        tokens = torch.from_numpy(levels).to(self.device)
        latents = latents.to(self.device)
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(self.step)).to(self.device)
        cells = tokens.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)[:, None]
        noisy = (1 - cells) * latents + cells * noise
        timestep = 1000 * (tokens[:, 0, 0, 0] if even else tokens.flatten(1))
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            velocity = self.model.velocity(noisy, timestep, prompts, frames, run_block)
        error = (velocity - (noise - latents)).square().mean(dim=1)
        counted = (cells[:, 0] > 0).float()
        return (error * counted).sum() / counted.sum()

    def _update(self) -> None:
        step = self.step - self.earlier_steps
        factor = learning_rate_factor(step, self.clock.share, self.plan.warmup_steps, self.plan.decay_from)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, rate in zip(self.optimizers, (self.plan.muon_rate, self.plan.adam_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        keep = min(self.plan.ema_decay, self.step / (self.step + 10))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)

    def _choose_bucket(self, rng: np.random.Generator) -> Bucket:
        chances = next(table for until, table in self.plan.curriculum if self.clock.share < until)
        buckets = list(chances)
        return buckets[rng.choice(len(buckets), p=list(chances.values()))]

    def _report(self, losses: list[tuple[float, bool, Bucket]]) -> None:
        even = [loss for loss, is_even, _ in losses if is_even]
        rest = [loss for loss, is_even, _ in losses if not is_even]
        largest = max((bucket for _, _, bucket in losses), key=lambda bucket: bucket.tokens)
        self.log.add(
            step=self.step,
            minutes=(self.earlier_s + self.clock.spent_s) / 60,
            loss_even=float(np.mean(even)) if even else float("nan"),
            loss_conditioned=float(np.mean(rest)) if rest else float("nan"),
            rate=self.optimizers[0].param_groups[0]["lr"],
            largest=f"{largest.grid[0]}x{largest.height}x{largest.width}",
        )

    def save(self) -> None:
        save_checkpoint(
            self.path,
            {
                "preset": self.plan.preset,
                "model": self.model.state_dict(),
                "average": self.average,
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "step": self.step,
                "spent_s": self.clock.spent_s,
                "earlier_steps": self.earlier_steps,
                "earlier_s": self.earlier_s,
            },
        )

    def _restore(self) -> float:
        state = load_checkpoint(self.path, self.device)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]
        self.earlier_steps, self.earlier_s = state["earlier_steps"], state["earlier_s"]
        return state["spent_s"]
