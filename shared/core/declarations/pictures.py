"""Work on a given picture: vary, enlarge, repaint at its own size, masks made from it, passes that improve parts."""

from __future__ import annotations

from shared.core.conditions import at_least, equals, is_set
from shared.core.declarations.rules import HAS_MASK, TAKES_MASK
from shared.core.params import Param

_STARTS_FROM_A_PICTURE = is_set("guide_custom_choices") | is_set("inpaint_support") | is_set("video_to_video")
_PASTES = at_least("paste_back", 1)
_FINDS = is_set("mask_model") | equals("mode", "make_mask", default="")
_BY_TEXT = _FINDS & equals("mask_model", "sam", default="sam")

# The names of the mask models as rembg and Fooocus have them.
MASK_MODELS = (
    "u2net", "u2netp", "u2net_human_seg", "u2net_cloth_seg", "silueta", "isnet-general-use", "isnet-anime", "sam",
)  # fmt: skip

PARAMS: tuple[Param, ...] = (
    Param(
        "vary_upscale", "choice", "", "Vary or enlarge",
        "Makes a picture like the control picture (subtly or strongly changed), or the same picture larger, with new "
        "detail. The fast one only enlarges.",
        "repaint",
        choices=(
            ("Off", ""), ("Vary (subtle)", "vary_subtle"), ("Vary (strong)", "vary_strong"),
            ("Enlarge x 1.5", "upscale_1.5"), ("Enlarge x 2", "upscale_2"), ("Enlarge x 2, fast", "upscale_fast"),
            ("Enlarge by a factor", "upscale_custom"),
        ),
        applies=_STARTS_FROM_A_PICTURE, unsupported="refuse",
    ),
    Param(
        "upscale_factor", "float", 2.0, "Factor",
        "How many times larger the picture becomes.",
        "repaint", minimum=1, maximum=5, step=0.05, applies=_STARTS_FROM_A_PICTURE,
        visible_if=equals("vary_upscale", "upscale_custom"),
    ),
    Param(
        "upscale_tile", "int", 0, "Tile",
        "A large picture is made in overlapping tiles of this side; 0 takes tiles only where the model cannot make it "
        "whole.",
        "repaint", minimum=0, maximum=4096, step=8, unit="px", applies=_STARTS_FROM_A_PICTURE,
        visible_if=is_set("vary_upscale"),
    ),
    Param(
        "paste_back", "bool_int", 0, "Put back into the picture",
        "The repainted part is put back into the control picture, which keeps its own size and every pixel outside "
        "the mask.",
        "repaint", applies=TAKES_MASK, visible_if=HAS_MASK | is_set("mask_model"), unsupported="refuse",
    ),
    Param(
        "inpaint_field", "float", 1.0, "Field of view",
        "How much of the picture around the mask the model sees: 0 the masked part alone, which gets all the detail, "
        "1 the whole picture.",
        "repaint", minimum=0, maximum=1, step=0.001, applies=TAKES_MASK, visible_if=_PASTES,
    ),
    Param(
        "keep_initial_latent", "bool_int", 0, "Begin from what is there",
        "At a denoising strength of 1 the noise still carries a trace of the picture; off, it is pure noise.",
        "repaint", applies=is_set("initial_latent"), visible_if=HAS_MASK | is_set("mask_model"), unsupported="refuse",
    ),
    Param(
        "invert_mask", "bool_int", 0, "Invert the mask",
        "Black is made anew and white is kept; done after the mask is grown or shrunk.",
        "repaint", applies=TAKES_MASK, visible_if=HAS_MASK | _FINDS, unsupported="refuse",
    ),
    Param(
        "mask_model", "choice", "", "Find the mask",
        "Makes the mask from the picture: what stands in front (u2net and isnet), clothes, or what a text names (sam).",
        "repaint", choices=(("Off", ""), *((name, name) for name in MASK_MODELS)),
        applies=TAKES_MASK, unsupported="refuse",
    ),
    Param(
        "mask_prompt", "text", "", "What to find",
        "What the mask shall cover, such as face, hand or red car.",
        "repaint", applies=TAKES_MASK, visible_if=_BY_TEXT,
    ),
    Param(
        "mask_cloth", "choice", "full", "Clothes",
        "Which clothes the clothes model marks.",
        "repaint", choices=(("All", "full"), ("Upper body", "upper"), ("Lower body", "lower")),
        applies=TAKES_MASK, visible_if=equals("mask_model", "u2net_cloth_seg"),
    ),
    Param(
        "mask_sam", "choice", "vit_b", "Segmentation model",
        "Size of the model that draws the outline: base, large or huge.",
        "repaint", choices=(("Base", "vit_b"), ("Large", "vit_l"), ("Huge", "vit_h")),
        applies=TAKES_MASK, visible_if=_BY_TEXT,
    ),
    Param(
        "mask_box_threshold", "float", 0.3, "Certainty of the box",
        "How sure the detection must be that something is there.",
        "repaint", minimum=0, maximum=1, step=0.05, applies=TAKES_MASK, visible_if=_BY_TEXT,
    ),
    Param(
        "mask_text_threshold", "float", 0.25, "Certainty of the word",
        "How sure the detection must be that it is what the text names.",
        "repaint", minimum=0, maximum=1, step=0.05, applies=TAKES_MASK, visible_if=_BY_TEXT,
    ),
    Param(
        "mask_detections", "int", 0, "Most finds",
        "How many of the things found are marked, the surest first; 0 marks all.",
        "repaint", minimum=0, maximum=10, step=1, applies=TAKES_MASK, visible_if=_BY_TEXT,
    ),
    Param(
        "enhance", "list", [], "Improve parts",
        'Passes over the finished picture, one after the other, as objects of settings: {"mask_prompt": "face", '
        '"prompt": "a friendly face", "denoising_strength": 0.5}. A pass that finds nothing is left out.',
        "repaint", item="object", applies=TAKES_MASK, unsupported="refuse",
    ),
    Param(
        "describe_kind", "choice", "photo", "Description",
        "A sentence, as for photographs, or a list of tags, as for drawn pictures.",
        "repaint", choices=(("Sentence", "photo"), ("Tags", "anime")), visible_if=equals("mode", "describe"),
    ),
)  # fmt: skip
