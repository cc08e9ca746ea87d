"""Control clips, masks, and LoRA."""

from __future__ import annotations

from shared.core.conditions import has_letter, is_set
from shared.core.declarations.rules import (
    HAS_CONTROL,
    HAS_MASK,
    IMAGE_MODE,
    MAKES_CLIPS,
    TAKES_CONTROL,
    TAKES_MASK,
    TAKES_REFERENCES,
    VIDEO_MODE,
)
from shared.core.params import Param

_OUTPAINTS = is_set("video_guide_outpainting") | is_set("inpaint_support")
_NUMBERS = r"\s*(\d+(\.\d+)?([\s,]+\d+(\.\d+)?)*)?\s*"
_DENOISES_A_GUIDE = has_letter("video_prompt_type", "G") | HAS_MASK
_PERCENTAGES = r"#?\s*(-?\d+(\.\d+)?(\s+-?\d+(\.\d+)?){3})?\s*"

PARAMS: tuple[Param, ...] = (
    Param(
        "video_prompt_type", "letters", "", "Control",
        "What a control clip or picture, a mask and reference images are used for.",
        "control", pattern=r"[VUGANPODESLCMBHXYWZIKFJTRQ0-9+\-|&#]*",
        choices=(
            ("Control clip or picture", "V"), ("as it is", "U"), ("start of the denoising", "G"), ("Pose", "P"),
            ("Aligned pose", "O"), ("Depth", "D"), ("Edges", "E"), ("Scribble", "S"), ("Flow", "L"), ("Grey", "C"),
            ("Repaint", "M"), ("Face", "B"), ("Boxes", "H"), ("Mask", "A"), ("outside the mask", "N"),
            ("outside: repaint", "X"), ("outside: depth", "Y"), ("outside: scribble", "W"), ("outside: flow", "Z"),
            ("References", "I"), ("the first is the background", "K"), ("Frames at given places", "F"), ("Style", "J"),
        ),
        accepts="flag letters: V (control), U, G, P, O, D, E, S, L, C, M, B, H, A (mask), N, X, Y, W, Z, "
        "I (references), K, F, J, T, R, Q",
        applies=TAKES_CONTROL | TAKES_REFERENCES, unsupported="refuse",
    ),
    Param(
        "video_guide", "media", None, "Control clip",
        "A clip whose motion, pose or layout the result follows.",
        "control", kind="video", applies=TAKES_CONTROL & MAKES_CLIPS, visible_if=VIDEO_MODE, unsupported="refuse",
    ),
    Param(
        "video_guide2", "media", None, "Second control clip",
        "A further control clip for models that take two.",
        "control", kind="video", applies=is_set("video_guide2"), visible_if=has_letter("video_prompt_type", "+"),
        unsupported="refuse",
    ),
    Param(
        "image_guide", "media", None, "Control picture",
        "A picture that the result follows, or that is repainted where the mask is white.",
        "control", kind="image", applies=TAKES_CONTROL, visible_if=IMAGE_MODE, unsupported="refuse",
    ),
    Param(
        "custom_guide", "media", None, "The model's own guide",
        "A file of a kind that only this model reads.",
        "control", applies=is_set("custom_guide"), unsupported="refuse",
    ),
    Param(
        "keep_frames_video_guide", "text", "", "Frames of the control clip",
        "Empty takes all. Otherwise frame numbers from 1 (negative ones count from the end) and ranges a:b, "
        "separated by spaces; the frames in between are left to the model.",
        "control", unit="frames", pattern=r"\s*(-?\d+(:-?\d+)?(\s+-?\d+(:-?\d+)?)*)?\s*",
        accepts='frame numbers and ranges separated by spaces, such as "1:20 -1"',
        applies=TAKES_CONTROL & ~is_set("keep_frames_video_guide_not_supported"),
        visible_if=HAS_CONTROL & VIDEO_MODE,
    ),
    Param(
        "denoising_strength", "float", 1.0, "Denoising strength",
        "How much of the given picture or clip is made anew: 0 keeps it, 1 starts from noise.",
        "control", minimum=0, maximum=1, step=0.01, applies=TAKES_CONTROL, visible_if=_DENOISES_A_GUIDE,
    ),
    Param(
        "masking_strength", "float", 1.0, "Masking strength",
        "The part of the steps in which what lies outside the mask is held fast.",
        "control", minimum=0, maximum=1, step=0.01, applies=TAKES_MASK & is_set("masking_strength"),
        visible_if=HAS_MASK,
    ),
    Param(
        "video_mask", "media", None, "Mask of the control clip",
        "A clip or picture in black and white: white is made anew, black is kept.",
        "control", applies=TAKES_MASK & MAKES_CLIPS, visible_if=VIDEO_MODE, unsupported="refuse",
    ),
    Param(
        "image_mask", "media", None, "Mask of the control picture",
        "A picture in black and white: white is made anew, black is kept.",
        "control", kind="image", applies=TAKES_MASK, visible_if=IMAGE_MODE, unsupported="refuse",
    ),
    Param(
        "mask_expand", "int", 0, "Grow the mask",
        "Widens the mask; a negative number shrinks it.",
        "control", minimum=-64, maximum=64, step=1, unit="px", applies=TAKES_MASK, visible_if=HAS_MASK,
    ),
    Param(
        "video_guide_outpainting", "text", "#", "Paint beyond the borders",
        "How far the picture grows at the top, bottom, left and right, in percent of its size; "
        "a leading # switches it off.",
        "control", unit="%", pattern=_PERCENTAGES, accepts='four percentages: top bottom left right, "25 0 10 10"',
        applies=_OUTPAINTS, unsupported="refuse",
    ),
    Param(
        "video_guide_outpainting_ratio", "text", "", "Shape to paint out to",
        'The shape that the picture grows to, such as "16:9", when the four percentages are 0.',
        "control", pattern=r"\s*(\d+(\.\d+)?:\d+(\.\d+)?)?\s*", accepts='a shape such as "16:9", or ""',
        applies=_OUTPAINTS, unsupported="refuse",
    ),
    Param(
        "control_net_weight", "float", 1.0, "Control strength",
        "How closely the control is followed.",
        "control", minimum=0, maximum=2, step=0.01, applies=is_set("control_net_weight_name"), visible_if=HAS_CONTROL,
    ),
    Param(
        "control_net_weight2", "float", 1.0, "Strength of the second control",
        "How closely the second control is followed.",
        "control", minimum=0, maximum=2, step=0.01, applies=is_set("control_net_weight2"), visible_if=HAS_CONTROL,
    ),
    Param(
        "control_net_weight_alt", "float", 1.0, "Strength of the model's own control",
        "How closely the model's particular control is followed.",
        "control", minimum=0, maximum=2, step=0.01, applies=is_set("control_net_weight_alt_name"),
    ),
    Param(
        "guide_pictures", "media_list", None, "Picture prompts",
        "Up to four pictures that each guide the result in their own way, all at once.",
        "control", kind="image", applies=is_set("guide_kinds"), unsupported="refuse",
    ),
    Param(
        "guide_kinds", "list", [], "What each is taken for",
        "One name a picture: ImagePrompt (its look and content), FaceSwap (the face), PyraCanny (its edges), CPDS (its "
        "structure). Missing ones are ImagePrompt.",
        "control", applies=is_set("guide_kinds"), visible_if=is_set("guide_pictures"),
        accepts="a list of ImagePrompt, FaceSwap, PyraCanny and CPDS",
    ),
    Param(
        "guide_weights", "text", "", "Strength of each",
        "One number from 0 to 2 a picture, separated by spaces; missing ones are the usual of the kind.",
        "control", pattern=_NUMBERS, accepts='numbers separated by spaces, such as "0.6 1"',
        applies=is_set("guide_kinds"), visible_if=is_set("guide_pictures"),
    ),
    Param(
        "guide_stops", "text", "", "End of each",
        "The part of the steps (0 to 1) after which a picture guides no more, one number a picture; missing ones are "
        "the usual of the kind.",
        "control", pattern=_NUMBERS, accepts='numbers separated by spaces, such as "0.5 0.9"',
        applies=is_set("guide_kinds"), visible_if=is_set("guide_pictures"),
    ),
    Param(
        "guide_preprocess", "bool_int", 1, "Draw the edges",
        "Edges and structure are drawn from the pictures; off, the pictures are such drawings already.",
        "control", applies=is_set("guide_kinds"), visible_if=is_set("guide_pictures"), neutral=1,
    ),
    Param(
        "canny_low_threshold", "int", 64, "Edges: weakest",
        "An edge as weak as this is drawn where it continues a stronger one.",
        "control", minimum=1, maximum=255, step=1, applies=is_set("guide_kinds"), visible_if=is_set("guide_pictures"),
    ),
    Param(
        "canny_high_threshold", "int", 128, "Edges: strong",
        "An edge as strong as this is always drawn.",
        "control", minimum=1, maximum=255, step=1, applies=is_set("guide_kinds"), visible_if=is_set("guide_pictures"),
    ),
    Param(
        "control_softness", "float", 0.0, "Control softness",
        "Lets go of the fine, outer parts of the control first and keeps its layout; 0 is off.",
        "control", minimum=0, maximum=1, step=0.01, applies=is_set("control_softness"), unsupported="refuse",
    ),
    Param(
        "activated_loras", "list", [], "LoRA",
        "Small additions to the model (a style, a person, a speed-up), in order: files of the model's LoRA folder, "
        "paths, or https addresses, which are fetched into that folder.",
        "lora", applies=~is_set("no_lora"), unsupported="refuse",
    ),
    Param(
        "loras_multipliers", "text", "", "Strength of each LoRA",
        "One number a LoRA, separated by spaces or lines; missing ones are 1. 0.8;1 gives a strength a guidance phase "
        "(of two experts: the first and the second), 0,0.5,1 spreads values over the steps; what is left of a | is an "
        "accelerator's; lines that start with # are remarks.",
        "lora", multiline=True, applies=~is_set("no_lora"), visible_if=is_set("activated_loras"),
    ),
)  # fmt: skip
