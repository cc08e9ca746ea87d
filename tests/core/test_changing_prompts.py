"""Wildcards, arrays, inline LoRA and weights in prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.core.lora_files import LoraFolder
from shared.core.lora_multipliers import with_loras
from shared.core.prompt_weights import has_weights, parse_weights, without_weights
from shared.core.sample_prompts import SampleNumbers, picked, styled
from shared.core.wildcards import (
    Wildcards,
    combinations,
    fill_wildcards,
    pick_from_arrays,
    take_loras,
    unknown_wildcards,
)

ROOT = Path(__file__).resolve().parents[2]
LISTS = {"colour": ["red", "green", "blue"], "thing": ["a __colour__ ball", "a cube"], "loop": ["__loop__"]}


def test_wildcards_are_drawn_by_the_seed_and_nest() -> None:
    made = {fill_wildcards("__thing__ on __colour__ grass", LISTS, seed) for seed in range(40)}
    assert len(made) > 6 and not any("__" in text for text in made)
    assert fill_wildcards("__thing__", LISTS, 5) == fill_wildcards("__thing__", LISTS, 5)


def test_wildcards_in_order_follow_the_number_of_the_sample() -> None:
    made = [fill_wildcards("__colour__", LISTS, 9, index=index, in_order=True) for index in range(4)]
    assert made == ["red", "green", "blue", "red"]


def test_a_list_that_is_not_there_stays_written_and_is_named() -> None:
    assert fill_wildcards("a __missing__ __init__", LISTS) == "a __missing__ __init__"
    assert unknown_wildcards("a __missing__ __colour__", LISTS) == ["missing"]
    assert fill_wildcards("__loop__", LISTS) == "__loop__"


def test_the_shipped_lists_name_no_list_that_is_not_there() -> None:
    lists = Wildcards(ROOT / "wildcards")
    assert "animals/birds" in lists and len(lists) >= 8
    for name in lists:
        assert lists[name] and not unknown_wildcards(" ".join(lists[name]), lists)


def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("word")
    (tmp_path / "lists").mkdir()
    assert fill_wildcards("__../secret__", Wildcards(tmp_path / "lists")) == "__../secret__"
    with pytest.raises(KeyError):
        Wildcards(tmp_path / "lists")["../secret"]


def test_arrays_give_each_sample_its_element() -> None:
    assert [pick_from_arrays("a [[red, green]] [[cat, dog]]", index) for index in range(4)] == [
        "a red cat", "a green cat", "a red dog", "a green dog",
    ]  # fmt: skip
    assert combinations("a [[red, green]] [[cat, dog, fox]]") == 6
    assert pick_from_arrays("a [/overlap=5] b", 3) == "a [/overlap=5] b"


def test_inline_loras_leave_the_text_and_are_found_by_name(tmp_path: Path) -> None:
    text, found = take_loras("a fox, <lora:Fur:0.8>, in snow <lora:glow>")
    assert text == "a fox, in snow" and found == [("Fur", 0.8), ("glow", 1.0)]
    (tmp_path / "animals").mkdir()
    (tmp_path / "animals" / "fur.safetensors").write_bytes(b"")
    folder = LoraFolder(tmp_path)
    assert folder.named("Fur") == "animals/fur.safetensors"
    assert folder.named("other") == "other.safetensors"


@pytest.mark.parametrize(
    ("loras", "text", "expected"),
    [([], "", "0.8"), (["a"], "", "1 0.8"), (["a", "b"], "0.5;1", "0.5;1 1 0.8"), (["a"], "2|", "2|0.8"),
     (["a", "b"], "2|\n# mine\n0.3", "2|# mine\n0.3\n0.8")],
)  # fmt: skip
def test_a_lora_is_added_with_its_strength(loras: list[str], text: str, expected: str) -> None:
    changed = with_loras({"activated_loras": loras, "loras_multipliers": text}, [("new", 0.8)])
    assert changed["activated_loras"] == [*loras, "new"]
    assert changed["loras_multipliers"].split() == expected.split()


def test_a_lora_that_is_there_already_keeps_its_strength() -> None:
    settings = {"activated_loras": ["a"], "loras_multipliers": "0.3"}
    assert with_loras(settings, [("./a", 0.9)]) == settings


def test_weights_multiply_and_brackets_can_be_written() -> None:
    assert parse_weights("a (red:1.5) fox") == [("a ", 1.0), ("red", 1.5), (" fox", 1.0)]
    assert parse_weights("((a) b:2)") == [("a", 2.2), (" b", 2.0)]
    assert parse_weights(r"a \(b\)") == [("a (b)", 1.0)]
    assert parse_weights("a) (b") == [("a) (b", 1.0)]
    assert without_weights("a (red:0.5) fox") == "a red fox"
    assert has_weights("(a)") and not has_weights(r"a \(b\) c)")


def test_a_plain_prompt_is_not_touched() -> None:
    plain = "a  fox ,\n\n(in) [snow]  "
    assert picked(plain, {}, LISTS, SampleNumbers(4)) is plain
    assert styled(plain, "x\n", {}, SampleNumbers(4)).positive == (plain,)
