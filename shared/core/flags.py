"""The flags of `python wgp.py`; `cli_args` of the Python API are parsed by the same parser."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import NoReturn

from shared.core.errors import WanGPError
from shared.core.lora_files import flag_folder

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 7860
ATTENTION_MODES = ("auto", "sdpa", "sage", "sage2", "flash", "xformers")
PROFILES = (-1.0, 1.0, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0)

LORA_FOLDERS = (
    "i2v", "wan-i2v", "wan-1-3b", "wan-5b", "hunyuan", "hunyuan-i2v", "hunyuan-1-5", "ltxv", "ltx2", "scenema-audio",
    "dramabox-audio", "longcat", "longcat-avatar", "longcat-avatar-v1-5", "minimax-h3", "flux", "flux2",
    "flux2-klein-4b", "flux2-klein-9b", "qwen", "kandinsky5", "k5-lite-t2v", "k5-lite-i2v", "k5-pro-t2v", "k5-pro-i2v",
    "z-image", "hidream-o1", "ideogram4", "krea2", "magi-human", "magi-human-distill",
)  # fmt: skip

# Accepted for the sake of WanGP's start scripts; `unserved_flags` names those in use.
UNSERVED = (
    "ask_deepy", "mcp", "mcp_transport", "mcp_host", "mcp_port", "mcp_console_output", "mcp_allow_read_file_system",
    "debug_deepy", "share", "lock_model", "betatest", "debug_gen_form",
    "multiple_images", "convrot", "test", "save_masks", "save_speakers", "refresh_catalog",
    "refresh_full_catalog", "merge_catalog", "settings", "t2v", "i2v", "t2v_14B", "t2v_1_3B", "vace_1_3B", "i2v_1_3B",
    "i2v_14B",
)  # fmt: skip


class FlagError(WanGPError):
    """A flag that cannot be used; the text says which and what is accepted."""


class FlagParser(argparse.ArgumentParser):
    """An argument parser that raises FlagError where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise FlagError(f"{message}. See --help for the flags.")


def build_parser() -> argparse.ArgumentParser:
    """Every flag of the program."""
    parser = FlagParser(prog="wgp.py", description="WanGP: prompts become videos.", allow_abbrev=False)
    _add_headless(parser)
    _add_server(parser)
    _add_services(parser)
    _add_models(parser)
    _add_performance(parser)
    _add_diagnostics(parser)
    return parser


def parse_flags(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The flags by name, and those that are not known. Raises FlagError for a bad value."""
    return build_parser().parse_known_args([str(argument) for argument in arguments])


def unserved_flags(flags: argparse.Namespace) -> list[str]:
    """The flags in use that this version accepts but does nothing with, as they are written."""
    defaults = build_parser().parse_args([])
    changed = [name for name in UNSERVED if getattr(flags, name) != getattr(defaults, name)]
    return ["--" + name.replace("_", "-") for name in changed]


def _add_headless(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("without the page")
    group.add_argument("--prompt", metavar="TEXT", help="make one generation and print the paths of its files")
    group.add_argument("--model-type", metavar="ID", default="", help="model of --prompt (default: starter)")
    group.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any setting of --prompt or --process; repeatable",
    )
    group.add_argument("--process", metavar="FILE", default="", help="settings .json, manifest .json or queue .zip")
    group.add_argument("--output-dir", metavar="DIR", default="", help="where the files go instead of the save path")
    group.add_argument("--dry-run", action="store_true", help="check --prompt or --process, make nothing")
    group.add_argument("--list-models", action="store_true", help="one line a model: id, name, availability")
    group.add_argument("--download", metavar="ID", default="", help="fetch the files of a model")
    group.add_argument("--verify", metavar="ID", default="", help="compare a model's files with the published ones")
    group.add_argument(
        "--delete-model", metavar="ID", default="", help="delete the files of a model that no other needs"
    )
    group.add_argument("--new-plugin", metavar="NAME", default="", help="write a plugin to start from, with its test")
    group.add_argument("--check-plugin", metavar="DIR", default="", help="load a plugin, tell what it uses and lacks")
    group.add_argument("--ask-deepy", default="", metavar="TEXT", help="assistant (not in this version)")
    group.add_argument("--mcp", action="store_true", help="MCP server (not in this version)")
    group.add_argument("--mcp-transport", default="stdio", metavar="NAME", help="MCP transport")
    group.add_argument("--mcp-host", default="", metavar="HOST", help="MCP address")
    group.add_argument("--mcp-port", type=int, metavar="PORT", help="MCP port")
    group.add_argument("--mcp-console-output", action="store_true", help="MCP: print to the console")
    group.add_argument("--mcp-allow-read-file-system", action="store_true", help="MCP: let clients read files")


def _add_server(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the page")
    group.add_argument(
        "--server-name",
        metavar="HOST",
        default=os.environ.get("SERVER_NAME") or DEFAULT_HOST,
        help="address to listen on",
    )
    group.add_argument(
        "--server-port",
        metavar="PORT",
        type=_port,
        default=os.environ.get("SERVER_PORT") or DEFAULT_PORT,
        help="its port",
    )
    group.add_argument("--listen", action="store_true", help="listen on every address (0.0.0.0)")
    group.add_argument("--open-browser", action="store_true", help="open the page when it is ready")
    group.add_argument("--auth", metavar="USER:PASSWORD", default="", help="login of the page")
    group.add_argument("--share", action="store_true", help="public link (not in this version)")
    group.add_argument("--theme", default="", metavar="NAME", help="light or dark, for who has not chosen on the page")
    group.add_argument("--gpu", default="", metavar="DEVICE", help="device of the model, such as cuda:0 or cpu")
    group.add_argument("--lock-config", action="store_true", help="no change of the configuration from the page")
    group.add_argument("--lock-model", action="store_true", help="no change of the model from the page")
    group.add_argument("--advanced", action="store_true", help="show every setting at start")
    group.add_argument("--betatest", action="store_true", help="features under test")
    group.add_argument("--debug-gen-form", action="store_true", help="show what the form sends")


def _add_services(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the HTTP services")
    group.add_argument("--apikey", metavar="KEY", default="", help="key of the HTTP services")
    group.add_argument("--base-url", metavar="URL", default="", help="base of the URLs in replies")
    group.add_argument("--webhook-url", metavar="URL", default="", help="default webhook")
    group.add_argument("--queue-size", metavar="N", type=int, default=100, help="tasks that may wait")
    group.add_argument("--queue-history", metavar="N", type=int, default=0, help="finished tasks kept")
    group.add_argument("--persistent", action="store_true", help="Fooocus-API: the history with every request")
    for name in ("fooocus-api-port", "fooocusapi-port", "wan-api-port"):
        group.add_argument(f"--{name}", metavar="PORT", type=_port, help="an extra port for that service alone")
    group.add_argument("--image-model", metavar="ID", default="", help="model of the image services")
    group.add_argument("--i2v-model", metavar="ID", default="", help="model of the Wan service")
    group.add_argument(
        "--video-retention", metavar="SECONDS", type=float, default=3600, help="life of a finished video"
    )
    group.add_argument("--allow-private-urls", action="store_true", help="URLs may point to private addresses")


def _add_models(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("folders and models")
    group.add_argument("--config", metavar="DIR", default="", help="folder of wgp_config.json, queue and settings")
    group.add_argument("--offline", action="store_true", help="download nothing: what is on disk must do")
    group.add_argument("--settings", metavar="DIR", default="settings", help="folder of the saved default settings")
    group.add_argument("--loras", metavar="DIR", default="", help="root of the LoRA folders")
    group.add_argument("--lora-dir", metavar="DIR", help="LoRA folder of text to video")
    for name in LORA_FOLDERS:
        group.add_argument(f"--lora-dir-{name}", metavar="DIR", help=argparse.SUPPRESS)
    for name in ("t2v", "i2v", "t2v-14B", "t2v-1-3B", "vace-1-3B", "i2v-1-3B", "i2v-14B"):
        group.add_argument(f"--{name}", action="store_true", help="start with this model")
    group.add_argument("--lora-preset", metavar="NAME", default="", help="LoRA preset to start with")
    group.add_argument("--check-loras", action="store_true", help="leave out LoRAs that do not fit, and tell which")
    group.add_argument("--multiple-images", action="store_true", help="several start images")
    group.add_argument("--seed", type=int, default=-1, metavar="N", help="default seed")
    group.add_argument("--frames", type=int, default=0, metavar="N", help="default length in frames (0: the model's)")
    group.add_argument("--steps", type=int, default=0, metavar="N", help="default denoising steps (0: the model's)")


def _add_performance(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("performance")
    group.add_argument(
        "--profile", type=float, choices=PROFILES, default=-1.0, help="memory profile (-1: the config's)"
    )
    group.add_argument(
        "--preload", type=float, default=0, metavar="MB", help="MB of each transformer kept on the card when streamed"
    )
    group.add_argument("--perc-reserved-mem-max", type=float, default=0, metavar="SHARE", help="most memory to reserve")
    group.add_argument(
        "--vram-safety-coefficient", type=float, default=0.8, metavar="SHARE", help="share of VRAM in use"
    )
    group.add_argument("--attention", choices=("", *ATTENTION_MODES), default="", help="attention code")
    group.add_argument("--compile", action="store_true", help="compile the blocks of the transformer")
    group.add_argument("--fp16", action="store_true", help="16-bit floats of the older kind")
    group.add_argument("--bf16", action="store_true", help="16-bit brain floats")
    group.add_argument(
        "--vae-config", type=int, choices=(-1, 0, 1, 2, 3), default=-1,
        help="VAE tiling: 0 by need, 1 never, 2 and 3 in tiles of 256 and 128 pixels (-1: the config's)",
    )  # fmt: skip
    group.add_argument("--save-quantized", action="store_true", help="keep the quantized weights (always done)")
    group.add_argument("--convrot", action="store_true", help="rotated convolutions")


def _add_diagnostics(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("diagnostics")
    group.add_argument("--verbose", type=int, default=1, metavar="N", help="0 quiet, 1 normal, 2 everything")
    group.add_argument("--debug-deepy", metavar="FILE", help="log of the assistant")
    group.add_argument("--test", action="store_true", help="load the model and end")
    group.add_argument("--save-masks", action="store_true", help="keep the masks that were made")
    group.add_argument("--save-speakers", action="store_true", help="keep the voices that were split")
    for name in ("refresh-catalog", "refresh-full-catalog", "merge-catalog"):
        group.add_argument(f"--{name}", action="store_true", help="list of the plugins")


def lora_dirs(flags: argparse.Namespace) -> dict[str, str]:
    """The LoRA folders that flags put elsewhere, by the names that models give them."""
    given = {flag_folder(""): flags.lora_dir}
    for name in (flag.replace("-", "_") for flag in LORA_FOLDERS):
        value = getattr(flags, f"lora_dir_{name}")
        if value:
            given[flag_folder(name)] = value
    return {folder: path for folder, path in given.items() if path}


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError(text)
    return value
