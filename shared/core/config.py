"""The user's program settings, `wgp_config.json`: read once, written whole."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.core.errors import SettingsError
from shared.core.paths import write_atomic

FILE_NAME = "wgp_config.json"


def first_run_config() -> dict[str, Any]:
    """What the file holds after the first start."""
    return copy.deepcopy(_FIRST_RUN)


class Config:
    """The program settings of one folder.

    Keys of other programs and of later versions are kept as they are. `get` falls back to the value of a first run,
    then to the usual value of keys that a first run does not write. A damaged file is put aside, its settings start
    anew, and `notice` says so.
    """

    def __init__(self, path: Path, values: dict[str, Any], notice: str = "") -> None:
        self.path, self.notice = path, notice
        self._values, self._overrides = values, dict[str, Any]()
        self._lock = threading.RLock()
        self._seen = _stamp(path)

    @classmethod
    def load(cls, folder: str | Path) -> Config:
        """The settings of `folder` (made, with the file, when absent). Raises WanGPError when it cannot be written."""
        path = Path(folder) / FILE_NAME
        try:
            values, notice = _read(path), ""
        except FileNotFoundError:
            config = cls(path, first_run_config())
            config.save()
            return config
        except OSError as exc:
            raise SettingsError(f"{path} could not be read: {exc.strerror or exc}.") from exc
        except ValueError as exc:
            aside = _put_aside(path)
            notice = f"{path} was damaged ({exc}). It was kept as {aside.name}, and the settings start anew."
            config = cls(path, first_run_config(), notice)
            config.save()
            return config
        return cls(path, values, notice)

    @property
    def folder(self) -> Path:
        """Where the file is; relative paths in it start here."""
        return self.path.parent

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`, as a copy."""
        with self._lock:
            for source in (self._overrides, self._values, _FIRST_RUN, _USUAL):
                if key in source:
                    return copy.deepcopy(source[key])
        return default

    def set(self, key: str, value: Any) -> None:
        """Change a value; `save` makes it last."""
        with self._lock:
            self._values[key] = copy.deepcopy(value)

    def override(self, values: Mapping[str, Any]) -> None:
        """Values that hold for this run alone (flags of the command line); they are never saved."""
        with self._lock:
            self._overrides.update(copy.deepcopy(dict(values)))

    def is_overridden(self, key: str) -> bool:
        """Whether a flag of the command line decides in this run, whatever the file says."""
        with self._lock:
            return key in self._overrides

    def update(self, **values: Any) -> None:
        """Change several values and save them."""
        with self._lock:
            for key, value in values.items():
                self.set(key, value)
            self.save()

    def save(self) -> None:
        """Write the file whole. Raises DiskFull or WanGPError."""
        with self._lock:
            text = json.dumps(self._values, indent=4, ensure_ascii=False)
            write_atomic(self.path, text.encode())
            self._seen = _stamp(self.path)

    def refresh(self) -> bool:
        """Take over what another process has saved since; True when the file had changed.

        Overrides stay. A file that is damaged or gone changes nothing: the process that owns it tells.
        """
        with self._lock:
            stamp = _stamp(self.path)
            if stamp == self._seen:
                return False
            try:
                self._values = _read(self.path)
            except (OSError, ValueError):
                return False
            self._seen = stamp
            return True

    def as_dict(self) -> dict[str, Any]:
        """A copy of everything in the file."""
        with self._lock:
            return copy.deepcopy(self._values)

    def folder_path(self, key: str) -> Path:
        """A folder setting (`save_path`, ...) as an absolute path."""
        path = Path(str(self.get(key) or "outputs")).expanduser()
        return (path if path.is_absolute() else self.folder / path).resolve()


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when the file is written; (0, 0) when there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _read(path: Path) -> dict[str, Any]:
    text = path.read_bytes().decode("utf-8-sig")
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("it holds no JSON object")
    return values


def _put_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{stamp}-{number}")
    path.replace(aside)
    return aside


_FIRST_RUN: dict[str, Any] = {
    "attention_mode": "auto",
    "transformer_types": [],
    "transformer_quantization": "int8",
    "text_encoder_quantization": "int8",
    "lm_decoder_engine": "",
    "save_path": "outputs",
    "image_save_path": "outputs",
    "audio_save_path": "outputs",
    "compile": "",
    "metadata_type": "metadata",
    "boost": 1,
    "enable_int8_kernels": 1,
    "clear_file_list": 5,
    "keep_intermediate_sliding_windows": 1,
    "keep_resolution_on_model_switch": True,
    "enable_4k_resolutions": 0,
    "max_reserved_loras": -1,
    "vae_config": 0,
    "profile": 4,
    "video_profile": 4,
    "image_profile": 4,
    "audio_profile": 3.5,
    "preload_model_policy": [],
    "UI_theme": "default",
    "checkpoints_paths": ["ckpts", "."],
    "loras_root": "loras",
    "save_queue_if_crash": 1,
    "queue_color_scheme": "pastel",
    "process_queues_when_browser_unfocused": 1,
    "multi_prompts_gen_type": "PG",
    "model_hierarchy_type": 1,
    "prompt_enhancer_quantization": "quanto_int8",
    "prompt_enhancer_temperature": 0.6,
    "prompt_enhancer_top_p": 0.9,
    "prompt_enhancer_randomize_seed": True,
    "spatial_upsamplers": {},
    "temporal_upsamplers": {},
    "audio_processors": {},
    "deepy_enabled": 0,
    "deepy_type": "zero",
    "deepy_vram_mode": "unload",
    "deepy_context_tokens": 16386,
    "deepy_kv_cache_quantization": "auto",
    "deepy_compaction_type": "discard",
    "deepy_zero_custom_system_prompt": "",
    "deepy_prime_custom_system_prompt": "",
    "deepy_prime_mcp_servers": "",
    "deepy_allow_read_file_system": False,
    "deepy_auto_cancel_queue_tasks": True,
    "deepy_separate_requests_with_empty_line": True,
}

_USUAL: dict[str, Any] = {
    "language": "",
    "output_filename": "",
    "vram_safety_coefficient": 0.8,
    "server_name": "",
    "server_port": 0,
    "auth": "",
    "apikey": "",
    "base_url": "",
    "queue_size": 100,
    "queue_history": 0,
    "offline": False,
    "hf_token": "",
    "hf_endpoint": "",
    "allow_private_urls": False,
    "fooocusapi_sync_reply": "binary",
    "video_output_codec": "libx264_8",
    "hdr_video_crf": 8,
    "video_container": "mp4",
    "embed_source_images": False,
    "image_output_codec": "jpeg_95",
    "audio_output_codec": "aac_128",
    "audio_stand_alone_output_codec": "wav",
    "fit_canvas": 0,
    "enhancer_enabled": 0,
    "enhancer_mode": 0,
    "vae_precision": "16",
    "mixed_precision": "0",
    "transformer_dtype_policy": "",
    "depth_anything_v2_variant": "vitl",
    "matanyone_version": "v1",
    "notification_sound_enabled": 0,
    "notification_sound_volume": 50,
    "max_frames_multiplier": 1,
    "display_stats": 0,
    "preload_in_VRAM": 0,
    "enabled_plugins": [],
    "disabled_plugins": [],
    "allow_plugin_install": False,
    "installed_remote_plugins": [],
    "pending_plugin_deletions": [],
    "last_model_type": "",
    "last_model_per_family": {},
    "last_model_per_type": {},
    "last_resolution_choice": "",
    "last_resolution_per_group": {},
    "last_advanced_choice": False,
}
