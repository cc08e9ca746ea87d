"""What other programs call the modules of diffusers' networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

# diffusers' name -> the name in Wan's own code, which most LoRAs of the Wan community use.
_WAN: tuple[tuple[str, str], ...] = (
    (r"^condition_embedder\.time_embedder\.linear_1$", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2$", "time_embedding.2"),
    (r"^condition_embedder\.text_embedder\.linear_1$", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2$", "text_embedding.2"),
    (r"^condition_embedder\.time_proj$", "time_projection.1"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj$", "img_emb.proj.1"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.2$", "img_emb.proj.3"),
    (r"^proj_out$", "head.head"),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_(q|k|v)$", r".\1"),
    (r"\.to_out\.0$", ".o"),
    (r"\.add_(k|v)_proj$", r".\1_img"),
    (r"\.ffn\.net\.0\.proj$", ".ffn.0"),
    (r"\.ffn\.net\.2$", ".ffn.2"),
    (r"\.proj_in$", ".before_proj"),
    (r"\.proj_out$", ".after_proj"),
)


def _in_wan(name: str) -> str:
    for pattern, replacement in _WAN:
        name = re.sub(pattern, replacement, name)
    return name


_DIALECTS: tuple[Callable[[str], str], ...] = (lambda name: name, _in_wan)


def known_names(modules: Iterable[str]) -> Mapping[str, str]:
    """Each name that a file may give to one of the modules, with dots or underscores -> the module."""
    names: dict[str, str] = {}
    for dialect in reversed(_DIALECTS):
        for module in modules:
            foreign = dialect(module)
            names[foreign.replace(".", "_")] = module
            names[foreign] = module
    return names
