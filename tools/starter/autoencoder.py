"""Training stage 1: the autoencoder, on single rendered frames."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .frame_autoencoder import SCALE, Z_DIM, FrameAutoencoder
from .progress import Clock, TrainingLog, learning_rate_factor, load_checkpoint, save_checkpoint
from .scenes import render_frame, sample_scene

WHOLE_FRAME_SIZES = ((128, 128), (96, 96), (96, 128), (128, 96), (96, 160), (160, 96), (192, 192), (64, 64))


@dataclass(frozen=True)
class AutoencoderPlan:
    """`crops` squares of 64 pixels a step; whole frames from `whole_from` of the time on."""

    base_dim: int = 48
    crops: int = 24
    minutes: float = 20.0
    learning_rate: float = 1.5e-3
    whole_from: float = 0.8
    foreground_weight: float = 4.0
    latent_noise: float = 0.08
    latent_penalty: float = 1e-3
    seed: int = 0


def sample_crops(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames of 64x64 pixels, uint8 (count, 64, 64, 3), and masks: a third whole small frames, the rest crops."""
    frames, masks = [], []
    while len(frames) < count:
        scene = sample_scene(rng, two_subjects=0.3)
        at = rng.uniform(0, 16)
        if rng.random() < 0.33:
            frame, mask = render_frame(scene, at, 64, 64)
        else:
            height, width = WHOLE_FRAME_SIZES[rng.choice(4, p=(0.7, 0.1, 0.1, 0.1))]
            frame, mask = render_frame(scene, at, height, width)
            top, left = _crop_corner(rng, mask)
            frame, mask = frame[top : top + 64, left : left + 64], mask[top : top + 64, left : left + 64]
        frames.append(frame)
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


def _crop_corner(rng: np.random.Generator, mask: np.ndarray) -> tuple[int, int]:
    """A corner on the grid of 16 pixels; four times in five the crop holds a pixel of the subject."""
    rows, columns = (mask.shape[0] - 64) // 16, (mask.shape[1] - 64) // 16
    hit = np.flatnonzero(mask)
    if len(hit) and rng.random() < 0.8:
        y, x = divmod(int(hit[rng.integers(len(hit))]), mask.shape[1])
        top = np.clip((y - rng.integers(64)) / 16, 0, rows)
        left = np.clip((x - rng.integers(64)) / 16, 0, columns)
        return round(float(top)) * 16, round(float(left)) * 16
    return int(rng.integers(rows + 1)) * 16, int(rng.integers(columns + 1)) * 16


def sample_whole_frames(rng: np.random.Generator, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole frames of one random size, about `pixels` in all."""
    height, width = WHOLE_FRAME_SIZES[rng.choice(8, p=(0.5, 0.08, 0.08, 0.08, 0.08, 0.08, 0.05, 0.05))]
    count = max(1, pixels // (height * width))
    pairs = [render_frame(sample_scene(rng, two_subjects=0.3), rng.uniform(0, 16), height, width) for _ in range(count)]
    return np.stack([frame for frame, _ in pairs]), np.stack([mask for _, mask in pairs])


def to_tensor(frames: np.ndarray, device: str | torch.device = "cpu") -> Tensor:
    """uint8 (b, h, w, 3) -> float (b, 3, h, w) in -1..1."""
    return torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def reconstruction_loss(output: Tensor, target: Tensor, mask: Tensor, foreground_weight: float) -> Tensor:
    error = output.float() - target
    weight = 1.0 + (foreground_weight - 1.0) * (mask > 0)
    return (weight * (error.abs() + 2.0 * error.square())).mean()


@torch.no_grad()
def measure_psnr(model: FrameAutoencoder, device: str, count: int = 48) -> tuple[float, float]:
    """Decibels over fixed whole frames of 128x128, and over their foreground alone; in the training precision."""
    rng = np.random.default_rng(12345)
    pairs = [render_frame(sample_scene(rng), rng.uniform(0, 16), 128, 128) for _ in range(count)]
    target = to_tensor(np.stack([frame for frame, _ in pairs]), device)
    mask = torch.from_numpy(np.stack([mask for _, mask in pairs])).to(device)[:, None] > 0
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        output = model.decode(model.encode(target))
    error = ((output.float().clamp(-1, 1) - target) / 2).square().mean(dim=1, keepdim=True)
    return float(-10 * error.mean().log10()), float(-10 * error[mask].mean().log10())


def build_optimizer(model: FrameAutoencoder, plan: AutoencoderPlan) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), plan.learning_rate, betas=(0.9, 0.98), weight_decay=1e-4)


def train_autoencoder(plan: AutoencoderPlan, folder: Path, device: str, resume: bool) -> FrameAutoencoder:
    """Train for `plan.minutes` and leave `autoencoder.pt` in `folder`."""
    torch.manual_seed(plan.seed)
    path = folder / "autoencoder.pt"
    model = FrameAutoencoder(plan.base_dim).to(device, memory_format=torch.channels_last)
    optimizer = build_optimizer(model, plan)
    step, spent = 0, 0.0
    if resume and path.exists():
        state = load_checkpoint(path, device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent_s"]
    clock = Clock(plan.minutes, spent)
    log = TrainingLog(folder / "autoencoder.csv")
    saved = clock.spent_s
    while not clock.is_over:
        loss = _train_step(model, optimizer, plan, step, clock.share, device)
        step += 1
        if step % 200 == 0:
            psnr, foreground = measure_psnr(model, device)
            log.add(step=step, minutes=clock.spent_s / 60, loss=loss, psnr_db=psnr, foreground_db=foreground)
        if clock.spent_s - saved > 90:
            saved = clock.spent_s
            save_checkpoint(path, autoencoder_state(model, optimizer, step, clock.spent_s))
    save_checkpoint(path, autoencoder_state(model, optimizer, step, clock.spent_s))
    return model.eval()


def _train_step(
    model: FrameAutoencoder,
    optimizer: torch.optim.Optimizer,
    plan: AutoencoderPlan,
    step: int,
    share: float,
    device: str,
) -> float:
    rng = np.random.default_rng((plan.seed, step))
    if share < plan.whole_from:
        frames, masks = sample_crops(rng, plan.crops)
    else:
        frames, masks = sample_whole_frames(rng, plan.crops * 64 * 64)
    target = to_tensor(frames, device).contiguous(memory_format=torch.channels_last)
    mask = torch.from_numpy(masks).to(device)[:, None]
    b, _, h, w = target.shape
    noise = plan.latent_noise * torch.randn(b, Z_DIM, h // SCALE, w // SCALE, device=device)
    for group in optimizer.param_groups:
        group["lr"] = plan.learning_rate * learning_rate_factor(step, share, 100, 0.1)
    with torch.autocast(target.device.type, torch.bfloat16):
        output, latents = model(target, noise)
    loss = reconstruction_loss(output, target, mask, plan.foreground_weight)
    (loss + plan.latent_penalty * latents.float().square().mean()).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def autoencoder_state(model: FrameAutoencoder, optimizer: torch.optim.Optimizer, step: int, spent_s: float) -> dict:
    return {
        "base_dim": model.base_dim,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "spent_s": spent_s,
    }


def load_autoencoder(folder: Path, device: str = "cpu") -> FrameAutoencoder:
    """The trained network from `autoencoder.pt`."""
    state = load_checkpoint(folder / "autoencoder.pt", device)
    model = FrameAutoencoder(state["base_dim"]).to(device, memory_format=torch.channels_last)
    model.load_state_dict(state["model"])
    return model.eval()
