"""The prompt library's file and word lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.prompt_library.library import PromptLibrary, SavedPrompt, save_list
from shared.core.errors import PluginError


@pytest.fixture
def library(tmp_path: Path) -> PromptLibrary:
    library = PromptLibrary(tmp_path / "prompts.json")
    library.save(SavedPrompt("Harbour", "a harbour at dawn, mist", "people", ("sea", "calm")))
    library.save(SavedPrompt("Gale", "waves in a storm", tags=("sea",)))
    library.save(SavedPrompt("desert", "dunes at noon"))
    return library


def names(prompts: list[SavedPrompt]) -> list[str]:
    return [prompt.name for prompt in prompts]


def test_prompts_are_there_again_in_the_next_session(library: PromptLibrary) -> None:
    again = PromptLibrary(library.path)

    assert names(again.all()) == ["desert", "Gale", "Harbour"]
    assert again.get("Harbour") == SavedPrompt("Harbour", "a harbour at dawn, mist", "people", ("sea", "calm"))


def test_a_search_wants_every_word_and_every_tag(library: PromptLibrary) -> None:
    assert names(library.search("HARBOUR mist")) == ["Harbour"]
    assert names(library.search("harbour storm")) == []
    assert names(library.search(tags=["sea"])) == ["Gale", "Harbour"]
    assert names(library.search("waves", ["sea", "calm"])) == []
    assert library.tags() == ["calm", "sea"]


def test_a_renamed_prompt_leaves_no_copy(library: PromptLibrary) -> None:
    library.save(SavedPrompt("Storm", "waves in a storm", tags=("sea", " sea ", "")), replaces="Gale")

    assert names(PromptLibrary(library.path).all()) == ["desert", "Harbour", "Storm"]
    assert library.get("Storm").tags == ("sea",)


def test_a_removed_prompt_is_gone(library: PromptLibrary) -> None:
    library.remove("Gale")

    assert names(PromptLibrary(library.path).all()) == ["desert", "Harbour"]
    with pytest.raises(PluginError, match="Gale"):
        library.remove("Gale")


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        (SavedPrompt(" ", "x"), "name"),
        (SavedPrompt("x", "  "), "prompt"),
        (SavedPrompt("n" * 121, "x"), "121"),
    ],
)
def test_prompts_without_name_or_text_are_refused(library: PromptLibrary, prompt: SavedPrompt, told: str) -> None:
    with pytest.raises(PluginError, match=told):
        library.save(prompt)


@pytest.mark.parametrize("content", ['[{"name": "a"', '{"name": 3}', '[{"text": "no name"}]', "[1]"])
def test_a_damaged_file_is_kept_and_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(content)

    library = PromptLibrary(path)

    assert library.all() == [] and "prompts.json" in library.notice
    assert (tmp_path / "prompts.bad").read_text() == content


def test_a_word_list_is_written_whole(tmp_path: Path) -> None:
    count = save_list(tmp_path, "animals/birds", "# small ones\r\nwren\r\n\r\nrobin\n\n")

    assert count == 2 and (tmp_path / "animals" / "birds.txt").read_text() == "# small ones\nwren\n\nrobin\n"


@pytest.mark.parametrize("name", ["../birds", "/etc/passwd", "a//b", "", "a.txt", "a b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="list"):
        save_list(tmp_path, name, "x")
