"""Which arguments of a pipeline have a setting in the program, and which become settings of the model's own."""

from __future__ import annotations

from collections.abc import Iterator

from models.general.signature import Argument, PipelineSignature

FRAMES = ("num_frames", "video_length", "frames")
AUDIO_LENGTH = ("audio_end_in_s", "audio_length_in_s", "audio_duration", "audio_duration_s", "duration_s", "duration")
REFERENCES = ("input_images", "ref_images", "reference_images")

# Filled from settings that every model can have, or by the program itself.
_COMMON = frozenset({
    "prompt", "negative_prompt", "height", "width", "num_inference_steps", "guidance_scale", "true_cfg_scale",
    "generator", "strength", "image", "last_image", "mask_image", "control_image", "video", "frame_rate", "fps",
    "controlnet_conditioning_scale", "num_images_per_prompt", "num_videos_per_prompt", "num_waveforms_per_prompt",
    "output_type", "return_dict", "callback", "callback_steps", "callback_on_step_end",
    "callback_on_step_end_tensor_inputs", *FRAMES, *AUDIO_LENGTH,
    *REFERENCES,
})  # fmt: skip
# Tensors and inner matters of diffusers, whatever their annotation says.
_INNER = ("embeds", "latents", "_kwargs", "_mask", "timesteps", "sigmas", "embeddings", "_ids", "template")


def own_arguments(signature: PipelineSignature) -> Iterator[Argument]:
    """The arguments that nothing else fills: numbers, switches and texts among them become custom settings."""
    for argument in signature.arguments.values():
        is_inner = any(part in argument.name for part in _INNER) or argument.name.startswith("_")
        if argument.name not in _COMMON and not is_inner:
            yield argument
