"""The judge of the starter model against clips whose content is known."""

from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from tools.starter.evaluation import counts_by_word, held_out_prompts, prove_judge, rates, rendered_clips, write_clip
from tools.starter.judge import Verdict, judge, read_clip
from tools.starter.scenes import Combination, make_scene, render
from tools.starter.vocabulary import MOTIONS, SHAPES


def test_the_judge_proves_itself_on_decoded_files_and_is_at_chance_on_shuffled_prompts(tmp_path):
    rendered, shuffled = prove_judge(30, tmp_path, seed=3)
    for name in ("colour", "motion", "background"):
        assert rendered[name] >= 0.97
        assert shuffled[name] < 0.45
    assert rendered["shape"] >= 0.9
    assert rendered["size"] >= 0.9
    assert shuffled["required"] < 0.15


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("size", [(128, 128), (96, 160)])
def test_every_motion_is_recognised(motion, size):
    combination = Combination("", "yellow", "triangle", motion, "in front of a night sky")
    clip, _ = render(make_scene(combination, np.random.default_rng(2)), 17, *size)
    assert judge(clip).motion == motion


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", ["", "big"])
def test_shapes_are_recognised_with_blunt_corners(shape, size):
    combination = Combination(size, "cyan", shape, "standing still", "on a gray background")
    clip, _ = render(make_scene(combination, np.random.default_rng(2)), 1, 128, 128)
    blunt = cv2.GaussianBlur(clip[0], (0, 0), 3.0)
    assert judge(blunt[None]).shape == shape


def test_a_clip_of_nothing_names_only_the_background():
    clip = np.full((9, 64, 64, 3), 128, np.uint8)
    verdict = judge(clip)
    assert verdict.background == "on a gray background"
    assert (verdict.colour, verdict.shape, verdict.motion) == ("", "", "")


def test_a_written_clip_reads_back_with_its_frames(tmp_path):
    clip = next(iter(rendered_clips(held_out_prompts(1, 0), 0)))
    write_clip(tmp_path / "clip.mp4", clip)
    back = read_clip(tmp_path / "clip.mp4")
    assert back.shape == clip.shape
    assert np.abs(back.astype(int) - clip).mean() < 6


def test_rates_count_a_clip_only_if_all_required_attributes_are_right():
    asked = held_out_prompts(2, 0)
    seen = [judge(clip) for clip in rendered_clips(asked, 0)]
    assert rates(asked, seen)["required"] == 1.0
    assert rates(asked, seen[::-1])["required"] == 0.0


def test_clips_are_counted_by_the_word_that_was_asked_for():
    asked = held_out_prompts(40, 0)
    seen = [replace(verdict_of(combination), shape="ball") for combination in asked]
    counts = counts_by_word("shape", SHAPES, asked, seen)
    assert sum(total for _, total in counts.values()) == 40
    assert counts["ball"][0] == counts["ball"][1] > 0
    assert all(right == 0 for shape, (right, _) in counts.items() if shape != "ball")


def verdict_of(combination):
    return Verdict(**asdict(combination))
