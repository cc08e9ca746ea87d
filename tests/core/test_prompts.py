"""Prompts of several lines, macros and window commands (wangp.md 7)."""

from __future__ import annotations

import pytest

from shared.core.errors import SettingsError
from shared.core.prompt_macros import expand_macros
from shared.core.prompts import PromptUnit, WindowCommands, WindowDuration, parse_unit, split_clips, split_prompt

TEXT = """# a remark
a red ball
rolls away

a blue ring
"""


def texts(text: str, mode: str) -> list[str]:
    return [unit.text for unit in split_prompt(text, mode)]


@pytest.mark.parametrize(
    ("mode", "units"),
    [
        ("G", ["a red ball", "rolls away", "a blue ring"]),
        ("W", ["a red ball", "rolls away", "a blue ring"]),
        ("PG", ["a red ball\nrolls away", "a blue ring"]),
        ("PW", ["a red ball\nrolls away", "a blue ring"]),
        ("FG", ["a red ball\nrolls away\n\na blue ring"]),
    ],
)
def test_the_mode_says_what_a_unit_is(mode: str, units: list[str]) -> None:
    assert texts(TEXT, mode) == units


def test_lines_are_clips_or_windows_of_one_clip() -> None:
    a, b = PromptUnit("a", source="a"), PromptUnit("b", source="b")
    assert split_clips("a\nb", "G") == [[a], [b]]
    assert split_clips("a\nb", "W") == [[a, b]]
    assert split_clips("", "W") == [] and split_clips("# only a remark", "FG") == []


def test_windows_line_ends_and_the_mark_of_an_enhanced_prompt_are_left_out() -> None:
    assert texts("a\r\n\r\nb", "PG") == ["a", "b"]
    assert texts("!enhanced!\na ball", "G") == ["a ball"]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"multi_prompts_gen_type.*Use G, PG, W, PW or FG"):
        split_prompt("a", "X")


def test_a_macro_writes_its_lines_once_a_value_and_shorter_lists_start_over() -> None:
    text = '! {Animal}="cat","dog","owl" : {Place}="wood","lake"\na {Animal} by the {Place}\nit sleeps'
    assert texts(text, "G") == [
        "a cat by the wood", "it sleeps", "a dog by the lake", "it sleeps", "a owl by the wood", "it sleeps",
    ]  # fmt: skip
    assert texts(text, "PG") == [
        "a cat by the wood\nit sleeps", "a dog by the lake\nit sleeps", "a owl by the wood\nit sleeps",
    ]  # fmt: skip


def test_each_macro_line_starts_a_template_of_its_own() -> None:
    assert texts('a ball\n!{A}="x","y"\none {A}\n!{B}="z"\ntwo {B}', "G") == ["a ball", "one x", "one y", "two z"]


def test_a_colon_inside_a_value_is_part_of_it() -> None:
    assert expand_macros('!{Time}="10:30","noon"\nat {Time}') == "at 10:30\nat noon"


def test_speaker_lines_and_json_keep_their_braces() -> None:
    assert expand_macros("Speaker 1{Anna}: hello") == "Speaker 1{Anna}: hello"
    assert expand_macros('{"subject": "a ball"}') == '{"subject": "a ball"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('!{A="x"\n{A}', "line 1, a brace is not closed"),
        ('!{A}="x\n{A}', "line 1, a quotation mark is not closed"),
        ('!{A} "x"\n{A}', "line 1, {A} \"x\" has no ="),
        ("!{A}=\n{A}", "line 1, {A} has no value"),
        ("!{A}=x\n{A}", "line 1, {A} has no value"),
        ('!{A}="x" "y"\n{A}', "line 1, {A} lacks a comma"),
        ('!{A}="x",\n{A}', "line 1, {A} ends on a comma"),
        ('!A="x"\n{A}', "line 1, A is not a variable"),
        ('!{A}="x"\na {B} here', "line 2, the variable {B} is not known ({A})"),
        ("a {Colour} ball", "line 1, the variable {Colour} is not known (none is declared above it)"),
    ],
)
def test_macro_errors_name_the_line_and_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        expand_macros(text)
    assert str(error.value).startswith("prompt: in ")
    assert message in str(error.value)


def test_window_commands_are_taken_out_of_the_text() -> None:
    unit = parse_unit("the ball [/duration=5s, /overlap=9] rolls [/loras_mult=0.5,1 1;0]")
    assert unit.text == "the ball rolls"
    assert unit.source == "the ball [/duration=5s, /overlap=9] rolls [/loras_mult=0.5,1 1;0]"
    assert unit.commands == WindowCommands(WindowDuration(5, "s"), 9, False, "0.5,1 1;0")


@pytest.mark.parametrize(
    ("command", "frames"), [("33", 33), ("5s", 80), ("2.5s", 40), ("20%", 40), ("0.1%", 1), ("100%", 200)]
)
def test_a_duration_is_frames_seconds_or_percent(command: str, frames: int) -> None:
    duration = parse_unit(f"a [/duration={command}]").commands.duration
    assert duration is not None and duration.frames(fps=16, total_frames=200) == frames


def test_a_new_shot_has_no_overlap_and_a_bare_overlap_is_the_models() -> None:
    assert parse_unit("[/new_shot] a").commands == WindowCommands(overlap=0, new_shot=True)
    assert parse_unit("a [/overlap]").commands.overlap == "model"
    assert parse_unit("a [/overlap=0]").commands.overlap == 0
    assert not parse_unit("a [b] c").commands and parse_unit("a [b] c").text == "a [b] c"


def test_a_models_own_commands_are_handed_on() -> None:
    unit = parse_unit("a [/store_mem=2]", extra_commands=("store_mem",))
    assert unit.commands.extra == (("store_mem", "2"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a [/jump]", "the command /jump is not known. Use /duration, /overlap, /new_shot, /loras_mult."),
        ("a [/duration=fast]", "/duration=fast is not accepted"),
        ("a [/duration=0]", "/duration=0 is not accepted"),
        ("a [/duration=2.5]", "/duration=2.5 is not accepted"),
        ("a [/duration=120%]", "/duration=120% is not accepted"),
        ("a [/overlap=-1]", "/overlap=-1 is not accepted"),
    ],
)
def test_command_errors_say_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        split_prompt(text, "W")
    assert message in str(error.value)
