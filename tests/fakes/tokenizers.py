"""Tokenizers made on the spot, of the kinds that the models use: no download needed."""

from __future__ import annotations

from typing import Any

_PRINTABLE = [chr(code) for code in range(33, 127)]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_VISION = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
_CHAT = (
    "{% for m in messages %}<|im_start|>{{m['role']}}\n{% if m['content'] is string %}{{m['content']}}{% else %}"
    "{% for c in m['content'] %}{% if c['type']=='text' %}{{c['text']}}{% elif c['type']=='image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def t5_tokenizer() -> Any:
    """A unigram tokenizer over letters and a few words: for T5 and UMT5."""
    from transformers import T5TokenizerFast  # type: ignore[attr-defined]

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-:;()"
    pieces += [(letter, -3.0) for letter in letters]
    pieces += [("▁a", -2.5), ("▁the", -2.5), ("▁ball", -2.5), ("▁red", -2.5)]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def qwen_tokenizer() -> Any:
    """A byte-level tokenizer with the marks of Qwen2 and Qwen3 and a chat template."""
    from transformers import Qwen2Tokenizer

    vocabulary = {letter: index for index, letter in enumerate(_byte_letters())}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=[], unk_token="<|endoftext|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(_VISION)})
    tokenizer.chat_template = _CHAT
    return tokenizer


def clip_tokenizer() -> Any:
    """A byte-level tokenizer for CLIP: 514 tokens, the last two are the start and the end."""
    from transformers import CLIPTokenizer

    letters = _byte_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77, pad_token="<|endoftext|>")


def llama_tokenizer() -> Any:
    """A tokenizer over printable letters and bytes for Llama and Mistral."""
    from transformers import LlamaTokenizerFast

    tokens = ["<unk>", "<s>", "</s>", "<pad>", "▁", *_PRINTABLE, *_BYTES]
    tokenizer = LlamaTokenizerFast(
        vocab=_numbered(tokens), merges=[], unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    return tokenizer


def gemma_tokenizer() -> Any:
    """A tokenizer over printable letters and bytes for Gemma."""
    from transformers import GemmaTokenizerFast  # type: ignore[attr-defined]

    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "▁", *_PRINTABLE, *_BYTES]
    return GemmaTokenizerFast(
        vocab=_numbered(tokens), merges=[], unk_token="<unk>", bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    )


def _byte_letters() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _numbered(tokens: list[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}
