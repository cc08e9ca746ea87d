"""The mask creator's SAM 2: a tiny checkpoint of the real architecture through the program that users run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plugins.mask_creator.segment import SegmentationFailed, iter_masks, segment
from shared.media.object_masks import Click

CLICKS = [Click(20, 14), Click(3, 3, is_object=False)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    stages = [8, 16, 32, 64]
    config = Sam2VideoConfig(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "image_size": [128, 128], "hidden_size": 8,
                "embed_dim_per_stage": stages, "blocks_per_stage": [1, 1, 2, 1],
                "num_attention_heads_per_stage": [1] * 4, "global_attention_blocks": [3],
                "window_size_per_stage": [8, 4, 4, 2],
            },
            "backbone_channel_list": stages[::-1], "fpn_hidden_size": 128,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        prompt_encoder_config={"hidden_size": 128, "image_size": 128},
        mask_decoder_config={"hidden_size": 128, "mlp_dim": 32, "iou_head_hidden_dim": 32, "num_attention_heads": 2},
        image_size=128, memory_attention_hidden_size=128, memory_attention_feed_forward_hidden_size=32,
        memory_attention_num_layers=1, memory_attention_rope_feat_sizes=[8, 8], memory_encoder_hidden_size=128,
        memory_encoder_output_channels=64, memory_fuser_embed_dim=128, memory_fuser_intermediate_dim=32,
        mask_downsampler_embed_dim=128, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("sam2")
    Sam2VideoModel(config).save_pretrained(folder)
    return folder


def clip() -> np.ndarray:
    frames = np.zeros((4, 32, 48, 3), np.uint8)
    for number in range(4):
        frames[number, 8:20, 12 + number : 28 + number] = (220, 40, 40)
    return frames


def test_a_program_of_its_own_makes_the_masks_that_the_model_makes(checkpoint: Path) -> None:
    told: list[tuple[int, int]] = []

    masks = segment(checkpoint, clip(), CLICKS, start=1, on_frame=lambda done, total: told.append((done, total)))

    expected = np.zeros((4, 32, 48), np.uint8)
    for number, mask in iter_masks(checkpoint, clip(), CLICKS, start=1):
        expected[number] = mask
    assert masks.shape == (4, 32, 48) and set(np.unique(masks)) <= {0, 255}
    assert np.array_equal(masks, expected) and 0 < np.count_nonzero(masks) < masks.size
    assert told[-1] == (4, 4) and told == sorted(told)


def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SegmentationFailed, match=r"\w"):
        segment(tmp_path, clip(), CLICKS)
