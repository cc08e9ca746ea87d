"""The tokenizer and the tiny UMT5 text encoder, and prompts as the transformer sees them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from .captions import all_words

PROMPT_TOKENS = 512
CAPTION_TOKENS = 35
_WORD_SCORE, _LETTER_SCORE = -5.0, -10.0


def build_tokenizer() -> PreTrainedTokenizerBase:
    """A unigram tokenizer of whole lower-case words that spells unknown words letter by letter."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,-'!?"
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", _LETTER_SCORE)]
    vocabulary += [(letter, _LETTER_SCORE) for letter in letters]
    vocabulary += [("\u2581" + word, _WORD_SCORE) for word in all_words()]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=PROMPT_TOKENS,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def build_text_encoder(vocab_size: int, d_model: int = 128) -> UMT5EncoderModel:
    config = UMT5Config(
        vocab_size=math.ceil(vocab_size / 32) * 32,
        d_model=d_model,
        d_kv=32,
        d_ff=2 * d_model,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        tie_word_embeddings=False,
    )
    return UMT5EncoderModel(config)


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase,
    encoder: UMT5EncoderModel,
    prompts: list[str],
    prompt_tokens: int = PROMPT_TOKENS,
) -> tuple[Tensor, Tensor]:
    """Embeddings (batch, 36, d) and an attention bias (batch, 1, 1, 36) for cheap training.

    `WanPipeline` pads with zero vectors to 512 tokens and attends to all of them. As these are all alike, one zero
    vector whose logit is raised by the logarithm of their number gives exactly the same attention.
    """
    tokens = tokenizer(prompts, padding="max_length", truncation=True, max_length=CAPTION_TOKENS, return_tensors="pt")
    ids, mask = tokens.input_ids.to(encoder.device), tokens.attention_mask.to(encoder.device)
    hidden = encoder(ids, mask).last_hidden_state * mask[..., None]
    pads = (prompt_tokens - mask.sum(dim=1, keepdim=True)).float()
    bias = torch.cat([torch.where(mask > 0, 0.0, -torch.inf), pads.log()], dim=1)
    return F.pad(hidden, (0, 0, 0, 1)), bias[:, None, None]
