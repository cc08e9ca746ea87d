"""Names of the files that are made."""

from __future__ import annotations

from datetime import datetime

import pytest

from shared.core.errors import WanGPError
from shared.media.names import numbered, output_name, output_path, prompt_words, template_problem

WHEN = datetime(2026, 3, 4, 15, 6, 7)
SETTINGS = {
    "prompt": "a big red ball\nmoving right", "seed": 42, "resolution": "832x480", "num_inference_steps": 30,
    "flow_shift": 5.0, "video_length": 81, "guidance_scale": 4.5,
}  # fmt: skip


def name(template="", **settings):
    return output_name(SETTINGS | {"output_filename": template} | settings, WHEN)


def test_the_default_name_is_date_seed_prompt():
    assert name() == "2026-03-04-15h06m07s_seed42_a big red ball moving right"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{prompt}", "a big red ball moving right"),
        ("{prompt(5)}-{seed}", "a big-42"),
        ("{date(YYYY_MM_DD)} {resolution}", "2026_03_04 832x480"),
        ("{date(YY.MM.DD HH-mm-ss)}", "26.03.04 15-06-07"),
        ("{date(hh)}", "03"),
        ("{steps}s {frames}f cfg{cfg} shift{flow_shift}", "30s 81f cfg4.5 shift5"),
        ("{num_inference_steps} {video_length} {guidance_scale}", "30 81 4.5"),
        ("{ seed }_{unknown}", "42_{unknown}"),
        ("plain", "plain"),
    ],
)
def test_templates_are_filled(template, expected):
    assert name(template) == expected


def test_a_name_cannot_lead_outside_its_folder(tmp_path):
    for prompt in ("../../etc/passwd", "/abs", "C:\\x", "a\0b\nc", "con", "...", "\u202e", ""):
        path = output_path(tmp_path, SETTINGS | {"prompt": prompt, "output_filename": "{prompt}"}, ".png", WHEN)
        assert path.parent == tmp_path and len(path.name) > 4
        path.write_bytes(b"x")
    assert {file.suffix for file in tmp_path.iterdir()} == {".png"}


@pytest.mark.parametrize("prompt", ["word " * 400, "球" * 400, "🎈é" * 300])
def test_long_prompts_are_cut_for_the_file_system(tmp_path, prompt):
    path = output_path(tmp_path, SETTINGS | {"prompt": prompt}, ".mp4", WHEN)
    path.write_bytes(b"x")
    assert len(path.name.encode()) <= 200 and path.name.startswith("2026-03-04-15h06m07s_seed42_")


def test_a_taken_name_gets_a_number_and_the_folder_is_made(tmp_path):
    folder = tmp_path / "new" / "outputs"
    first = output_path(folder, SETTINGS, ".mp4", WHEN)
    first.write_bytes(b"x")
    second = output_path(folder, SETTINGS, ".mp4", WHEN)
    assert second.name == first.stem + "_2.mp4"


def test_pictures_of_a_batch_are_numbered(tmp_path):
    assert numbered(tmp_path / "a v1.5.png", 2).name == "a v1.5_2.png"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("!enhanced!\n#!PROMPT!:a cat\nA long description of a cat", "a cat"),
        ("# comment\na dog", "a dog"),
        ("  two \n\n lines ", "two lines"),
    ],
)
def test_the_prompt_in_a_name_is_what_the_user_wrote(prompt, words):
    assert prompt_words(prompt) == words


@pytest.mark.parametrize("template", ["", "{date}_{seed}", "{prompt(30)} x", "{date(YYYY)}"])
def test_good_templates_have_no_problem(template):
    assert template_problem(template) is None


@pytest.mark.parametrize(
    ("template", "problem"),
    [("{colour}", "{colour} is not known"), ("{seed", "a brace is not closed"), ("{prompt(x)}", "needs a number"),
     ("{seed(3)}", "takes nothing in brackets")],
)  # fmt: skip
def test_bad_templates_are_told(template, problem):
    assert problem in template_problem(template)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WanGPError, match="could not be written"):
        output_path(tmp_path / "file", SETTINGS, ".png")
