"""Tiny models with random weights that find things in pictures and describe them, in transformers' layout."""

from __future__ import annotations

from pathlib import Path


def save_sam(folder: Path) -> Path:
    """Segment Anything for pictures of 64 px."""
    import torch
    from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

    torch.manual_seed(0)
    vision = SamVisionConfig(
        hidden_size=16, output_channels=16, num_hidden_layers=2, num_attention_heads=2, image_size=64, patch_size=8,
        window_size=4, global_attn_indexes=[1], num_pos_feats=8, mlp_dim=16,
    )  # fmt: skip
    prompts = SamPromptEncoderConfig(hidden_size=16, image_size=64, patch_size=8, mask_input_channels=4)
    decoder = SamMaskDecoderConfig(
        hidden_size=16, mlp_dim=16, num_hidden_layers=2, num_attention_heads=2, iou_head_hidden_dim=16
    )
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    SamModel(config).eval().save_pretrained(folder)
    return folder


def save_detection(folder: Path) -> Path:
    """Grounding DINO with ten queries."""
    import torch
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    torch.manual_seed(0)
    backbone = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2, out_indices=[2, 3, 4]
    )
    words = BertConfig(
        vocab_size=1100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    config = GroundingDinoConfig(
        backbone_config=backbone, text_config=words, d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=10,
        encoder_n_points=2, decoder_n_points=2, max_text_len=32,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).eval().save_pretrained(folder)
    save_words(folder)
    return folder


def save_clothes(folder: Path) -> Path:
    """A Segformer with the classes of segformer_b2_clothes."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    config = SegformerConfig(
        num_labels=18, hidden_sizes=[8] * 4, depths=[1] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8,
        sr_ratios=[8, 4, 2, 1],
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).eval().save_pretrained(folder)
    return folder


def save_enlarging(folder: Path) -> Path:
    """Swin2SR that doubles the sides."""
    import torch
    from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

    torch.manual_seed(0)
    config = Swin2SRConfig(
        image_size=16, patch_size=1, embed_dim=12, depths=[1], num_heads=[2], window_size=4, upscale=2,
        upsampler="pixelshuffle",
    )  # fmt: skip
    Swin2SRForImageSuperResolution(config).eval().save_pretrained(folder)
    return folder


def save_caption(folder: Path) -> Path:
    """BLIP for pictures of 32 px."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipTextConfig, BlipVisionConfig

    torch.manual_seed(0)
    text = BlipTextConfig(
        vocab_size=1100, hidden_size=16, encoder_hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, projection_dim=16, max_position_embeddings=96, bos_token_id=101, sep_token_id=102,
        eos_token_id=102, pad_token_id=0,
    )  # fmt: skip
    vision = BlipVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8
    )
    config = BlipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    BlipForConditionalGeneration(config).eval().save_pretrained(folder)
    save_words(folder)
    return folder


def save_words(folder: Path) -> None:
    """A BERT tokenizer of a thousand words; the marks have BERT's own numbers."""
    from transformers import BertTokenizer

    marks = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    words = [marks.get(number, f"w{number}") for number in range(1100)]
    words[7], words[8] = "face", "ball"
    vocabulary = {word: number for number, word in enumerate(words)}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
