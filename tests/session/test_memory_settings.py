"""Settings about memory on their way from configuration, flags and tasks to the loading of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared.core.config import Config
from shared.engine.services import load_options
from shared.session.memory import memory_need
from shared.session.runtime import Runtime


def test_each_kind_of_output_has_its_profile_and_a_task_its_own(tmp_path: Path) -> None:
    config = Config.load(tmp_path)
    config.update(video_profile=2, image_profile=1)
    found = [load_options(config, "cuda:0", {}, kind).profile for kind in ("video", "image", "audio")]
    assert found == [2, 1, 3.5]
    assert load_options(config, "cuda:0", {"override_profile": 5}, "audio").profile == 5


def test_flags_win_over_the_configuration(open_runtime: Callable[..., Runtime]) -> None:
    flags = "--profile 4.5 --preload 700 --vae-config 3 --fp16"
    runtime = open_runtime(cli_args=f"{flags} --vram-safety-coefficient 0.6 --perc-reserved-mem-max 0.3".split())
    for kind in ("video", "image", "audio"):
        options = load_options(runtime.config, "cuda:0", {}, kind)
        assert (options.profile, options.preload_mb, options.vae_tiling) == (4.5, 700, 3)
        assert (options.vram_share, options.reserved_share, options.dtype) == (0.6, 0.3, "fp16")
    assert load_options(runtime.config, "cpu", {}).dtype == ""
    assert not any("has no effect" in notice for notice in runtime.notices)


def test_what_is_not_known_is_not_told(open_runtime: Callable[..., Runtime]) -> None:
    runtime = open_runtime()
    for settings in ({"model_type": "none"}, {"model_type": "stable_audio3_small"}, {"mode": "edit_postprocessing"}):
        assert memory_need(settings, runtime.registry, runtime.config, "cpu") is None
    need = runtime.memory_need({"model_type": "t2v", "resolution": "832x480"})  # it is not on disk
    assert need is not None and "eeds " in need.text
    need = runtime.memory_need({"model_type": "starter", "resolution": "128x128"})
    assert need is not None and need.fits and need.text.startswith("Needs 0.")
