"""Rules shared by several declarations: what a model makes (its definition), what a task makes (its settings)."""

from __future__ import annotations

from shared.core.conditions import equals, has_letter, is_set

MAKES_PICTURES_OR_CLIPS = ~is_set("audio_only")
MAKES_CLIPS = ~is_set("audio_only") & ~is_set("image_outputs")
REPAINTS = is_set("inpaint_support") | is_set("video_to_video")
TAKES_CONTROL = is_set("guide_preprocessing") | is_set("guide_custom_choices") | REPAINTS
TAKES_MASK = is_set("mask_preprocessing") | is_set("inpaint_support") | is_set("masked_custom_guide")
TAKES_REFERENCES = is_set("image_ref_choices")
TAKES_SOUND = is_set("any_audio_prompt") | is_set("audio_prompt_type_sources")
HAS_STEP_CACHE = is_set("tea_cache") | is_set("mag_cache") | is_set("spectrum_cache") | is_set("first_block_cache")

VIDEO_MODE = equals("image_mode", 0, default=0)
IMAGE_MODE = ~VIDEO_MODE
CONTINUES_CLIP = has_letter("image_prompt_type", "VL") | is_set("video_source")
HAS_CONTROL = has_letter("video_prompt_type", "V") | is_set("video_guide") | is_set("image_guide")
HAS_MASK = has_letter("video_prompt_type", "A") | is_set("video_mask") | is_set("image_mask")
HAS_REFERENCES = has_letter("video_prompt_type", "I") | is_set("image_refs")
HAS_SOUND = has_letter("audio_prompt_type", "AB") | is_set("audio_guide")
