"""Stage 5: the model card, from the logs of the run and the report of `evaluate`."""

import csv
import json
from pathlib import Path

from .evaluation import markdown

_INTRODUCTION = """---
license: apache-2.0
pipeline_tag: text-to-video
---

# starter

A very small text-to-video model in the Wan architecture, trained from nothing on clips that `tools/starter/scenes.py`
renders: coloured shapes that move in front of seven backdrops. It is a demonstration and a test instrument, made in
five hours on two shared processor cores, and should not be taken for more. No outside data and no outside weights went
into it.

| part | class | size |
|---|---|---|
| `transformer` | `WanTransformer3DModel`: 6 layers, 4 heads x 64, patch (1, 2, 2) | 7.0 M parameters |
| `vae` | `AutoencoderKLWan`: 16x smaller in space, one latent frame per frame, 16 channels | 5.9 M |
| `text_encoder` | `UMT5EncoderModel`: 2 layers of 128; words it does not know are spelled | 0.35 M |
| `scheduler` | `UniPCMultistepScheduler`, flow prediction, shift 3 | |

## What it can and cannot do

It makes short clips of one coloured shape that moves in front of a backdrop, as the caption says: colour, background,
motion and shape mostly come as asked (figures below). Outlines wobble a little from frame to frame, small stars lose
their points, and subjects come out rather large, above all with more guidance. Most of its training was at 128x128: at
other sizes colours and backgrounds are right and shapes are rough. It knows nothing beyond the words listed here.

## Use

Captions have the form `a [small|big] [colour] [shape] [motion] [background]`:

- colours: red, green, blue, yellow, orange, purple, white, pink, cyan
- shapes: ball, square, triangle, star, ring
- motions: moving right, moving left, moving up, moving down, bouncing, spinning, growing, shrinking, standing still,
  circling
- backgrounds: on a black background, on a white background, on a gray background, in front of a blue sky, in front of a
  night sky, in front of green grass, in front of a sunset

Native size 128x128, 17 frames, 8 frames a second; width and height are multiples of 32. Steps 20, guidance 2 to 3,
shift 3, no negative prompt.

**Two passes** follow the prompt best: make one frame from the prompt, then make the clip with that frame given
(`tools/starter/sampler.py`). The reason: rotary embeddings only say how far apart tokens are, so over pure noise no
frame knows whether it is early or late; a given frame is the anchor.

A plain pipeline runs too, in one pass. Because this model has a temporal factor of 1, `WanPipeline` (diffusers 0.42.1)
adds one to the number of frames: ask it for 16 to get 17.

```python
from diffusers import WanPipeline

pipeline = WanPipeline.from_pretrained("ckpts/starter")
clip = pipeline("a red ball moving right on a black background", height=128, width=128, num_frames=16,
                num_inference_steps=20, guidance_scale=2.5).frames[0]
```

Each latent token (one frame, 32x32 pixels) may have a noise level of its own: pass `timestep` of shape (batch, tokens)
to the transformer and 0 for what is given. That is how image to video, first and last frame, continuation, inpainting
and outpainting work. The autoencoder codes each frame alone, so given frames stay exact.
"""

_JUDGING = """Triangles are told by how well they fill the smallest triangle around them. Before step 7965 the judge
went by the circle around them and took triangles with blunt corners for squares; by that rule 88 % of the shapes at
step 7965 are right, against 67 % at step 5580.
"""

_STEERING = """The transformer's run was steered by hand: until step 490 the attention to the text started flat
(sharpened then, see `TEXT_SHARPNESS`); until step 280 all 17 frames of a clip were shown, then 9, from step 610 on 5;
from step 1070 on most batches gave the first frame, and from step 1210 on a third were single pictures; from step 610
to 1650 most scenes were centred. At step 2220 it went on in a second session; until step 3000 the whole motion was seen
in every clip, so that the first frame gave it away (what is on the left moves right) and "left", "right", "up" and
"down" were all the same to the model: since then subjects begin at any place and size (`sample_scene`).

After step 5580 the training folder was lost; a third session went on from the exported weights (`import`), with fresh
optimizers and the curriculum `pictures`. Measured first: in the opening picture alone 59 % of the shapes were right,
with more guidance or steps hardly more, and 94 % in rendered pictures that went through the autoencoder; so it was
the picture that lacked training. Since then some 70 % of the steps are single pictures that show how a clip begins,
and the subject has no weight of its own in the loss. From step 6160 on 60 % of the pictures are centred. The planned
length was changed twice while it ran (88, 98, then 80 minutes), so the learning rate fell from step 6900 on.
`tools/starter` holds the plan as it was in the end.
"""


def write_card(folder: Path, report_folder: Path, target: Path) -> None:
    """Write `README.md` in `target` from `autoencoder.csv`, `transformer.csv` and `report.json`."""
    report = json.loads((report_folder / "report.json").read_text())
    sampling = report["sampling"]
    parts = [
        _INTRODUCTION,
        "## Evaluation\n",
        f"{report['prompts']} held-out prompts (a tenth of all combinations was never trained), seed "
        f"{sampling['seed']}, {sampling['steps']} steps, guidance {sampling['guidance']:g}, "
        f"passes {sampling['passes']}. Judged on the decoded mp4 files by plain vision code; "
        "`required` is colour, motion and background together. "
        "`rendered`: the judge on clips of the renderer; `shuffled`: the same with the prompts of others (chance).\n",
        markdown(report),
        "Motions: " + _counts(report["by motion"]) + ".\n",
        "Shapes: " + _counts(report["by shape"]) + ".\n",
        _JUDGING,
        f"A clip took {report['seconds_a_clip']:.1f} s on two shared cores (batches of {sampling['batch']}).\n",
        "## Training log\n",
        "Autoencoder, single frames (decibels over whole frames of 128x128, and over the subject alone):\n",
        _table(folder / "autoencoder.csv", 8),
        _STEERING,
        "Transformer and text encoder (mean squared error of the velocity over the tokens that are not given; `even` "
        "is one noise level for all tokens; `largest` is frames x height x width, which grow during the run):\n",
        _table(folder / "transformer.csv", 24),
    ]
    (target / "README.md").write_text("\n".join(parts))


def _counts(counts: dict[str, list[int]]) -> str:
    """`moving up 9 of 10, ...`, the best first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1][0] / max(item[1][1], 1))
    return ", ".join(f"{name} {right} of {asked}" for name, (right, asked) in ordered if asked)


def _table(path: Path, rows: int) -> str:
    """About `rows` rows of a CSV log as a markdown table, evenly spaced in steps, the last one among them."""
    with path.open(newline="") as file:
        records = list(csv.DictReader(file))
    stride = int(records[-1]["step"]) / rows
    last_of_each = {int(float(record["step"]) / stride): record for record in records}
    chosen = list(last_of_each.values())
    names = list(chosen[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(record[name] for name in names) + " |" for record in chosen]
    return "\n".join(lines) + "\n"
