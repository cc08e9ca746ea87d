"""Does the starter model do what prompts ask? `python tools/starter/evaluate.py --out REPORT`.

The judge first proves itself on rendered clips and on shuffled prompts; then it looks at clips of held-out prompts.
Every clip is judged from a decoded file. The clips come from the program itself (`--source program`), from the two-pass
sampler on the exported model (`model`) or on a training run (`checkpoint`), both quicker, or from a plain diffusers
pipeline (`plain`).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from .judge import Verdict, judge, read_clip
from .scenes import CLIP_FRAMES, Combination, make_scene, render, sample_combination
from .vocabulary import MOTIONS, SHAPES

ATTRIBUTES = ("colour", "motion", "background", "shape", "size")
REQUIRED = ("colour", "motion", "background")
FPS = 8

# Prompts in, clips out: uint8 (frames, height, width, 3) each, or files that hold them.
Generate = Callable[[list[str]], list[np.ndarray] | list[Path]]


@dataclass(frozen=True)
class Sampling:
    """How clips are asked of the model; `passes` 2: first the opening frame, then the clip (see `sampler.py`)."""

    steps: int = 20
    guidance: float = 2.5
    size_px: int = 128
    seed: int = 0
    passes: int = 2
    batch: int = 10


def write_clip(path: Path, frames: np.ndarray) -> None:
    """An mp4 file (H.264) of uint8 frames (frames, height, width, 3)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def decoded_clips(clips: Iterable[np.ndarray | Path], folder: Path) -> list[np.ndarray]:
    """Frames read back from files; clips that are no files yet are written to `folder` first."""
    decoded = []
    for index, clip in enumerate(clips):
        path = clip if isinstance(clip, Path) else folder / f"{index:04d}.mp4"
        if not isinstance(clip, Path):
            write_clip(path, clip)
        decoded.append(read_clip(path))
    return decoded


def held_out_prompts(count: int, seed: int) -> list[Combination]:
    rng = np.random.default_rng(seed)
    return [sample_combination(rng, held_out=True) for _ in range(count)]


def rates(asked: list[Combination], verdicts: list[Verdict]) -> dict[str, float]:
    """Share of clips in which each attribute is as asked; `required` is colour, motion and background together."""
    right = {
        name: [getattr(a, name) == getattr(v, name) for a, v in zip(asked, verdicts, strict=True)]
        for name in ATTRIBUTES
    }
    right["required"] = [all(row) for row in zip(*(right[name] for name in REQUIRED), strict=True)]
    right["all five"] = [all(row) for row in zip(*(right[name] for name in ATTRIBUTES), strict=True)]
    return {name: float(np.mean(values)) for name, values in right.items()}


def rendered_clips(asked: list[Combination], seed: int) -> Iterable[np.ndarray]:
    rng = np.random.default_rng(seed)
    for combination in asked:
        yield render(make_scene(combination, rng), CLIP_FRAMES, 128, 128)[0]


def prove_judge(count: int, folder: Path, seed: int = 1) -> tuple[dict[str, float], dict[str, float]]:
    """Rates of the judge on rendered clips, and on the same clips with the prompts of others (chance)."""
    asked = held_out_prompts(count, seed)
    verdicts = [judge(clip) for clip in decoded_clips(rendered_clips(asked, seed), folder)]
    return rates(asked, verdicts), rates(asked[1:] + asked[:1], verdicts)


def generate_with_pipeline(model: Path, sampling: Sampling) -> Generate:
    """Clips of a plain `diffusers.WanPipeline`."""
    import torch
    from diffusers import WanPipeline

    pipeline = WanPipeline.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)

    def generate(prompts: list[str]) -> list[np.ndarray]:
        # WanPipeline adds a frame when the temporal factor is 1 (diffusers 0.42.1), so one less is asked for.
        output = pipeline(
            prompt=prompts,
            height=sampling.size_px,
            width=sampling.size_px,
            num_frames=CLIP_FRAMES - 1,
            num_inference_steps=sampling.steps,
            guidance_scale=sampling.guidance,
            generator=torch.Generator().manual_seed(sampling.seed),
        ).frames
        return [np.clip(clip * 255 + 0.5, 0, 255).astype(np.uint8) for clip in output]

    return generate


def generate_with_program(model: Path, sampling: Sampling, output: Path) -> Generate:
    """Files that the program makes from the definition `starter`, whose weights `model` are."""
    from shared.api import init

    session = init(output_dir=output.resolve(), console_output=False)

    def generate(prompts: list[str]) -> list[Path]:
        settings = {
            "model_type": model.name,
            "resolution": f"{sampling.size_px}x{sampling.size_px}",
            "video_length": CLIP_FRAMES,
            "num_inference_steps": sampling.steps,
            "guidance_scale": sampling.guidance,
            "seed": sampling.seed,
        }
        result = session.run_manifest([{**settings, "prompt": prompt} for prompt in prompts])
        if not result.success or len(result.generated_files) != len(prompts):
            raise RuntimeError(f"{len(prompts)} clips asked, {len(result.generated_files)} made: {result.errors}")
        return [Path(file) for file in result.generated_files]

    return generate


def generate_all(generate: Generate, prompts: list[str], batch: int) -> list[np.ndarray | Path]:
    clips: list[np.ndarray | Path] = []
    for start in range(0, len(prompts), batch):
        clips += generate(prompts[start : start + batch])
    return clips


def contact_sheet(clips: list[np.ndarray], columns: int = 9) -> np.ndarray:
    """One row a clip, evenly spaced frames side by side, uint8 RGB."""
    rows = []
    for clip in clips:
        chosen = np.linspace(0, len(clip) - 1, columns).round().astype(int)
        rows.append(np.concatenate(list(clip[chosen]), axis=1))
    return np.concatenate(rows)


def markdown(report: dict) -> str:
    """The report as a table for the model card."""
    names = (*ATTRIBUTES, "required", "all five")
    kinds = [kind for kind in ("model", "rendered", "shuffled") if kind in report]
    lines = ["| attribute | " + " | ".join(kinds) + " |", "|---|" + "---|" * len(kinds)]
    lines += [
        f"| {name} | " + " | ".join(f"{100 * report[kind][name]:.0f} %" for kind in kinds) + " |" for name in names
    ]
    return "\n".join(lines) + "\n"


def counts_by_word(
    attribute: str, words: Sequence[str], asked: list[Combination], verdicts: list[Verdict]
) -> dict[str, list[int]]:
    """For each word of an attribute: how many clips show it as asked, and how many were asked for."""
    counts = {word: [0, 0] for word in words}
    for combination, verdict in zip(asked, verdicts, strict=True):
        word = getattr(combination, attribute)
        counts[word][0] += getattr(verdict, attribute) == word
        counts[word][1] += 1
    return counts


def misses(asked: list[Combination], verdicts: list[Verdict]) -> list[dict]:
    """The prompts whose required attributes are not all right, with what the judge saw."""
    return [
        {"prompt": combination.prompt, "seen": asdict(verdict)}
        for combination, verdict in zip(asked, verdicts, strict=True)
        if any(getattr(combination, name) != getattr(verdict, name) for name in REQUIRED)
    ]


def evaluate(generate: Generate, sampling: Sampling, count: int, folder: Path, prove: int) -> dict:
    """The whole report: rates of the judge itself, rates of the model on held-out prompts, its misses."""
    report: dict = {"sampling": asdict(sampling), "prompts": count}
    if prove:
        with tempfile.TemporaryDirectory() as scratch:
            report["rendered"], report["shuffled"] = prove_judge(prove, Path(scratch))
    asked = held_out_prompts(count, sampling.seed + 1000)
    began = time.monotonic()
    clips = generate_all(generate, [combination.prompt for combination in asked], sampling.batch)
    report["seconds_a_clip"] = (time.monotonic() - began) / count
    folder.mkdir(parents=True, exist_ok=True)
    decoded = decoded_clips(clips, folder)
    verdicts = [judge(clip) for clip in decoded]
    report["model"] = rates(asked, verdicts)
    report["by motion"] = counts_by_word("motion", MOTIONS, asked, verdicts)
    report["by shape"] = counts_by_word("shape", SHAPES, asked, verdicts)
    report["misses"] = misses(asked, verdicts)
    sheet = contact_sheet(decoded[:24])
    cv2.imwrite(str(folder / "sheet.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return report


def _choose_generator(arguments: argparse.Namespace, sampling: Sampling) -> Generate:
    if arguments.source == "program":
        return generate_with_program(arguments.model, sampling, arguments.out)
    if arguments.source == "plain":
        return generate_with_pipeline(arguments.model, sampling)
    from .sampler import generate_with_checkpoint, generate_with_model

    load = generate_with_checkpoint if arguments.source == "checkpoint" else generate_with_model
    return load(arguments.model, sampling)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("ckpts/starter"), help="exported model, or training run")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.json, report.md, clips and a sheet")
    parser.add_argument("--count", type=int, default=100, help="held-out prompts")
    parser.add_argument("--prove", type=int, default=200, help="rendered clips that the judge is tried on; 0: none")
    parser.add_argument("--steps", type=int, default=Sampling.steps)
    parser.add_argument("--guidance", type=float, default=Sampling.guidance)
    parser.add_argument("--seed", type=int, default=Sampling.seed)
    parser.add_argument("--size", type=int, default=Sampling.size_px, help="side of the square frame in pixels")
    parser.add_argument("--passes", type=int, choices=(1, 2), default=Sampling.passes)
    parser.add_argument("--source", choices=("program", "model", "checkpoint", "plain"), default="program")
    arguments = parser.parse_args()
    sampling = Sampling(arguments.steps, arguments.guidance, arguments.size, arguments.seed, arguments.passes)
    generate = _choose_generator(arguments, sampling)
    report = evaluate(generate, sampling, arguments.count, arguments.out, arguments.prove)
    (arguments.out / "report.json").write_text(json.dumps(report, indent=1))
    (arguments.out / "report.md").write_text(markdown(report))
    print(markdown(report))


if __name__ == "__main__":
    main()
