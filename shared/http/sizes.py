"""What a model makes of the size that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.core.units import MAX_PIXELS, MAX_SIDE_PX, largest_size

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef


def enlarged(model: ModelDef, width: int, height: int) -> str:
    """The sentence for a size that the model cannot make and the result is enlarged to; "" for one that it can."""
    made = largest_size(
        width, height, max_side=int(model.get("max_side", MAX_SIDE_PX)),
        max_pixels=int(model.get("max_pixels", MAX_PIXELS)), multiple=model.block_size,
    )  # fmt: skip
    if made == (width, height):
        return ""
    return f"{width}x{height} is made at {made[0]}x{made[1]} by the model {model.name}, and enlarged."
