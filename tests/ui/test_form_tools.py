"""The helpers of the form, called as the browser calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gradio.utils import get_upload_folder

from shared.core.errors import SettingsError
from shared.core.settings import DECLARATIONS
from shared.core.wildcards import Wildcards
from shared.media.images import load_image
from shared.media.video_write import write_video
from shared.ui.app import Page
from shared.ui.controls import choices_of, kind_of, shown_value
from shared.ui.examples import Examples
from shared.ui.form_tools import FormTools
from shared.ui.page_files import page_copy
from shared.ui.prompt_help import last_prompts, prompt_plan
from shared.ui.trims import trimmed, with_trim, without_suffixes
from tests.fakes.page_runtime import PageRuntime


@pytest.fixture(scope="module")
def tools(page: Page) -> FormTools:
    return FormTools(page.handlers)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames, the n-th of brightness 20 n."""
    path = tmp_path / "clip.mp4"
    write_video(np.stack([np.full((32, 48, 3), 20 * number, np.uint8) for number in range(10)]), path, fps=8)
    return path


@pytest.fixture
def uploaded(clip: Path) -> Iterator[Path]:
    path = Path(get_upload_folder()) / "test-tools" / "clip.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(clip.read_bytes())
    yield path
    path.unlink()


def event(**values: Any) -> Any:
    return SimpleNamespace(_data=values)


def told(page: Page, updates: dict[Any, Any]) -> dict[str, Any]:
    """The values that the updates bring, by the names of their settings."""
    names = {component: name for name, component in page.form.components.items()}
    return {names[component]: update["value"] for component, update in updates.items() if component in names}


def test_values_reach_the_form(page: Page, tools: FormTools) -> None:
    updates = tools.set_values(event(values={"seed": 5, "guidance_scale": 2, "no_such": 1}), "starter", "")
    assert told(page, updates) == {"seed": 5, "guidance_scale": 2}


def test_files_from_elsewhere_are_refused(page: Page, tools: FormTools, uploaded: Path) -> None:
    assert told(page, tools.set_values(event(values={"video_source": "/etc/passwd"}), "starter", "")) == {
        "video_source": None
    }
    updates = tools.set_values(event(values={"video_source": str(uploaded)}), "starter", "")
    assert told(page, updates) == {"video_source": str(uploaded)}


def test_putting_all_back_keeps_prompt_seed_and_media(page: Page, tools: FormTools) -> None:
    back = told(page, tools.put_back(event(names=[]), "starter", ""))
    assert back["num_inference_steps"] == 20
    assert not {"prompt", "negative_prompt", "seed", "image_start", "image_prompt_type"} & set(back)
    assert told(page, tools.put_back(event(names=["seed"]), "starter", "")) == {"seed": -1}


def test_a_result_and_a_frame_of_it_go_into_a_field(
    page: Page, tools: FormTools, runtime: PageRuntime, clip: Path
) -> None:
    entry = runtime.history.add(clip, "video", {"model_type": "starter"})
    whole = told(page, tools.take_result(event(id=entry.id, name="video_source"), "starter", ""))["video_source"]
    assert Path(whole).read_bytes() == clip.read_bytes()
    frame = told(page, tools.take_frame(event(id=entry.id, name="image_end", frame=3), "starter", ""))["image_end"]
    assert abs(load_image(frame).getpixel((5, 5))[0] - 60) < 6


def test_a_field_that_the_model_lacks_takes_nothing(tools: FormTools, runtime: PageRuntime, clip: Path) -> None:
    entry = runtime.history.add(clip, "video", {"model_type": "starter"})
    with pytest.warns(UserWarning, match="takes no"):
        assert tools.take_result(event(id=entry.id, name="image_start"), "t2v_1.3B", "") == {}


def test_a_part_of_a_clip_goes_into_the_task(page: Page, tools: FormTools, uploaded: Path) -> None:
    updates = tools.trim(event(name="video_source", path=str(uploaded), start=2, end=6), "starter", "")
    extra = updates[page.handlers.extra]
    values = [str(uploaded) if name == "video_source" else None for name in page.form.names]
    settings = page.form.read("starter", extra, values)
    assert settings["video_source"] == f"{uploaded}|start_frame=2,end_frame=6"
    assert "page_trims" not in settings
    gone = tools.trim(event(name="video_source", path=str(uploaded), start=None, end=None), "starter", extra)
    assert gone[page.handlers.extra] == ""


def test_parts_come_back_from_settings() -> None:
    given = {"video_source": "/a/clip.mp4|start_frame=3,end_frame=9", "loras_multipliers": "0.5|1"}
    plain, extra = without_suffixes(given, "")
    assert plain == {"video_source": "/a/clip.mp4", "loras_multipliers": "0.5|1"}
    assert trimmed(plain, json.loads(extra)["page_trims"]) == given


def test_a_part_is_for_its_own_file() -> None:
    extra = json.loads(with_trim('{"later": 1}', "video_source", "clip.mp4", (1, 2)))
    assert extra["later"] == 1
    assert trimmed({"video_source": "/a/other.mp4"}, extra["page_trims"]) == {"video_source": "/a/other.mp4"}


def test_a_prompt_says_what_it_makes(tmp_path: Path) -> None:
    lists = Wildcards(tmp_path)
    assert prompt_plan("a\n\nb", "PG", lists)["clips"] == 2
    windows = prompt_plan("a\nb\nc", "W", lists)
    assert (windows["clips"], windows["windows"], windows["texts"]) == (1, 3, ["a", "b", "c"])
    assert prompt_plan('!{X}="1","2"\nsee {X}', "G", lists)["texts"] == ["see 1", "see 2"]
    assert prompt_plan("!{X=1\nsee", "G", lists)["error"]
    assert prompt_plan("a __nothing__", "G", lists)["unknown"] == ["nothing"]


def test_prompts_of_before_are_told_once(runtime: PageRuntime, clip: Path) -> None:
    for prompt in ("a whale at night", "a whale", "a whale at night"):
        runtime.history.add(clip, "video", {"model_type": "starter", "prompt": prompt})
    assert last_prompts(runtime, "WHALE night") == ["a whale at night"]
    assert last_prompts(runtime, "whale")[:2] == ["a whale at night", "a whale"]


def test_every_example_can_be_run(page: Page, runtime: PageRuntime) -> None:
    examples = Examples(page.handlers)
    names = [path.stem for path in examples.folder.glob("*.json") if path.stem != "manifest"]
    assert len(names) >= 9
    for name in names:
        model, settings = examples.settings(name, "starter")
        assert runtime.problems({**settings, "model_type": model}) == [], name


def test_an_example_lies_in_its_folder(page: Page) -> None:
    for name in ("../defaults/starter", "nothing"):
        with pytest.raises(SettingsError):
            Examples(page.handlers).settings(name, "starter")


def test_styles_are_a_list_to_choose_from() -> None:
    styles = DECLARATIONS["styles"]
    assert kind_of(styles) == "choices"
    assert ("Fooocus V2", "Fooocus V2") in choices_of(styles, [])


def test_passes_are_shown_as_they_are_written() -> None:
    passes = [{"mask_prompt": "face", "denoising_strength": 0.5}]
    assert DECLARATIONS["enhance"].coerce(shown_value(DECLARATIONS["enhance"], passes)) == passes


def test_a_shown_file_has_the_content_of_its_original(clip: Path) -> None:
    copy = Path(page_copy(clip))
    assert copy.name == clip.name
    assert copy.read_bytes() == clip.read_bytes()
    assert page_copy(clip) == str(copy)
