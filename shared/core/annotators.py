"""The models that make control clips, for the kinds that need one: what they are called and where they can be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.core.contracts import ModelFile


@dataclass(frozen=True)
class Annotator:
    """A model in transformers' layout: its folder under a checkpoint root, its repository, its files."""

    name: str
    folder: str
    repo: str
    names: tuple[str, ...] = ("config.json", "model.safetensors")

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """What must be on disk."""
        return tuple(ModelFile(f"{self.folder}/{name}", self.repo, name=name) for name in self.names)


ANNOTATORS: Mapping[str, Annotator] = MappingProxyType(
    {
        "depth": Annotator(
            "Depth Anything V2 Small", "Depth-Anything-V2-Small-hf", "depth-anything/Depth-Anything-V2-Small-hf"
        ),
        **{
            f"sam_{size}": Annotator(f"Segment Anything ({words})", f"sam-vit-{words}", f"facebook/sam-vit-{words}")
            for size, words in (("vit_b", "base"), ("vit_l", "large"), ("vit_h", "huge"))
        },
        "detection": Annotator(
            "Grounding DINO", "grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny",
            ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"),
        ),
        "clothes": Annotator("Segformer for clothes", "segformer_b2_clothes", "mattmdjaga/segformer_b2_clothes"),
        "enlarging": Annotator(
            "Swin2SR", "swin2SR-realworld-sr-x4-64-bsrgan-psnr", "caidas/swin2SR-realworld-sr-x4-64-bsrgan-psnr"
        ),
        "caption": Annotator(
            "BLIP captions", "blip-image-captioning-large", "Salesforce/blip-image-captioning-large",
            ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"),
        ),
        # The tokenizer's files differ from copy to copy; these it needs in any case.
        "expansion": Annotator(
            "Fooocus prompt expansion", "prompt_expansion", "LykosAI/GPT-Prompt-Expansion-Fooocus-v2",
            ("config.json", "model.safetensors", "tokenizer.json"),
        ),
    }
)  # fmt: skip
