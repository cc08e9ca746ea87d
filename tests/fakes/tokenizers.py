"""A tokenizer made on the spot: no download needed."""

from __future__ import annotations

from typing import Any


def t5_tokenizer() -> Any:
    """A unigram tokenizer over letters and a few words."""
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-:;()"
    pieces += [(letter, -3.0) for letter in letters]
    pieces += [("▁a", -2.5), ("▁the", -2.5), ("▁ball", -2.5), ("▁red", -2.5)]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
