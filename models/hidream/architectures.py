"""What each HiDream architecture can do, in the definition keys that the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.core.known_sizes import CLIP_G, CLIP_L, LLAMA_8B, PICTURE_VAE, T5_XXL, network
from shared.diffusion.family import Architecture
from shared.diffusion.picture_keys import ONE_MEGAPIXEL, PICTURES

# The publisher's repositories leave this language model out.
_LLAMA = "meta-llama/Meta-Llama-3.1-8B-Instruct"

_FULL: dict[str, Any] = {
    **PICTURES,
    "lora_dir": "hidream",
    "resolutions": ONE_MEGAPIXEL,
    "max_pixels": 1024 * 1024,
    "text_length": 128,
    "guidance_max_phases": 1,
    "flow_shift": True,
    "known_parts": {
        "transformer": network("HiDreamImageTransformer2DModel", 17.1, 20, 128, patch_size=2),
        "text_encoder": CLIP_L,
        "text_encoder_2": CLIP_G,
        "text_encoder_3": T5_XXL,
        "text_encoder_4": LLAMA_8B,
        "vae": PICTURE_VAE,
    },
    "extra_parts": {
        "text_encoder_4": {
            "library": "transformers",
            "class": "LlamaForCausalLM",
            "repo": _LLAMA,
            "options": {"output_hidden_states": True, "output_attentions": False},
        },
        "tokenizer_4": {"library": "transformers", "class": "AutoTokenizer", "repo": _LLAMA},
    },
}

_DISTILLED = {**_FULL, "guidance_max_phases": 0, "no_negative_prompt": True}
_DRIVER = "models.hidream.pipeline:HiDream"

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "hidream": Architecture(("HiDreamImagePipeline",), _FULL, _DRIVER),
        "hidream_dev": Architecture(("HiDreamImagePipeline",), _DISTILLED, _DRIVER),
    }
)
