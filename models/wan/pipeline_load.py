"""From the definition of a Wan model to its diffusers pipeline in memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.core.contracts import LoadOptions
from shared.diffusion.loading import load_pipeline

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

PIPELINES = ("WanPipeline", "WanImageToVideoPipeline")


def load_diffusers(model: ModelDef, roots: Sequence[str], options: LoadOptions) -> Any:
    """The pipeline that the checkpoint names, on the CPU. Raises DownloadError, ModelNotFound."""
    # Its warnings are about frame counts that are right: it expects 4k+1 even of a VAE that packs no frames.
    for module in ("pipeline_wan", "pipeline_wan_i2v"):
        logging.getLogger(f"diffusers.pipelines.wan.{module}").setLevel(logging.ERROR)
    if options.dtype in ("fp16", "float16") and not options.vae_dtype:
        options = replace(options, vae_dtype="float32")  # this VAE overflows in half precision
    return load_pipeline(model, roots, options, PIPELINES)
