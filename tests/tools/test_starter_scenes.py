"""The renderer of the starter world and its captions."""

import numpy as np
import pytest

from tools.starter.captions import canonical_caption, sample_caption
from tools.starter.scenes import Combination, is_held_out, make_scene, pose, render, sample_combination, sample_scene
from tools.starter.vocabulary import BACKGROUNDS, COLOURS, INVISIBLE, MOTIONS, SHAPES, SIZES


def _scene(motion: str, seed: int = 0):
    return make_scene(Combination("", "red", "ball", motion, "on a black background"), np.random.default_rng(seed))


def test_the_same_seed_renders_the_same_pixels():
    clips = [render(sample_scene(np.random.default_rng(4)), 3, 64, 96) for _ in range(2)]
    assert np.array_equal(clips[0][0], clips[1][0])
    assert clips[0][0].shape == (3, 64, 96, 3)
    assert clips[0][1].shape == (3, 64, 96)


def test_about_a_tenth_of_the_combinations_is_held_out_and_never_sampled_for_training():
    everything = [
        Combination(size, colour, shape, motion, background)
        for size in SIZES
        for colour in COLOURS
        for shape in SHAPES
        for motion in MOTIONS
        for background in BACKGROUNDS
    ]
    assert 0.08 < np.mean([is_held_out(combination) for combination in everything]) < 0.12
    rng = np.random.default_rng(0)
    for _ in range(300):
        scene = sample_scene(rng)
        assert not is_held_out(scene.combination)
        assert (scene.subjects[0].colour, scene.background) not in INVISIBLE
    assert is_held_out(sample_combination(rng, held_out=True))


@pytest.mark.parametrize(
    ("motion", "axis", "sign"),
    [("moving right", 0, 1), ("moving left", 0, -1), ("moving up", 1, -1), ("moving down", 1, 1)],
)
def test_a_moving_subject_crosses_a_large_part_of_the_frame(motion, axis, sign):
    subject = _scene(motion).subjects[0]
    first, last = pose(subject, 0, 128, 128), pose(subject, 16, 128, 128)
    assert sign * (last[axis] - first[axis]) > 0.4 * 128
    assert last[1 - axis] == first[1 - axis]


def test_a_longer_clip_begins_with_the_shorter_one():
    scene = _scene("circling")
    assert np.array_equal(render(scene, 5, 64, 64)[0], render(scene, 9, 64, 64)[0][:5])


def test_canonical_captions_follow_the_table():
    scene = make_scene(
        Combination("small", "cyan", "star", "bouncing", "in front of a sunset"), np.random.default_rng(0)
    )
    assert canonical_caption(scene) == "a small cyan star bouncing in front of a sunset"


def test_sampled_captions_differ_but_mostly_name_the_colour():
    scene = _scene("spinning")
    rng = np.random.default_rng(0)
    captions = [sample_caption(scene, rng) for _ in range(60)]
    assert len(set(captions)) > 15
    assert np.mean(["red" in caption for caption in captions]) > 0.85


@pytest.mark.parametrize(("motion", "axis"), [("moving right", 0), ("moving left", 0), ("moving up", 1)])
def test_the_first_frame_of_a_training_scene_does_not_give_the_direction_away(motion: str, axis: int) -> None:
    rng = np.random.default_rng(3)
    firsts = [sample_scene(rng).subjects[0] for _ in range(1500)]
    places = [subject.start[axis] for subject in firsts if subject.motion == motion]
    assert 0.15 < np.mean(np.array(places) > 0.5) < 0.85


def test_a_training_scene_shows_growth_from_any_size() -> None:
    rng = np.random.default_rng(3)
    firsts = [sample_scene(rng).subjects[0] for _ in range(1500)]
    begun = {
        motion: [pose(first, 0, 128, 128)[2] / (first.radius * 128) for first in firsts if first.motion == motion]
        for motion in ("growing", "shrinking")
    }
    assert max(begun["growing"]) > 0.95
    assert min(begun["shrinking"]) < 1.1
