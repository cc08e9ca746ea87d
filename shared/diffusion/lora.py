"""Puts LoRAs on the networks of a loaded pipeline and takes them off again, without loading the model anew.

Adapters that two runs have in common stay; only their strengths change, at each step. On leaving, the adapters stay
loaded for the next run; a run that asks for none takes them all off, and the networks are as they were.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils import delete_adapter_layers, recurse_remove_peft_layers
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from shared.core.contracts import Step, WindowRequest
from shared.core.errors import SettingsError
from shared.core.lora_files import own_loras
from shared.core.lora_multipliers import LoraMultiplier, lora_key, model_shape, parse_multipliers
from shared.diffusion.guard import networks_of
from shared.diffusion.lora_file import read_lora
from shared.diffusion.lora_fit import Fitted, denoisers, fit, refuse_model, text_encoders
from shared.diffusion.lora_steps import Schedule, set_strengths, tuner_layers

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

_CONTENTS = "_lora_contents"
_LEAVES_OUT = "_leaves_out_loras"


@dataclass(frozen=True)
class LoraUse:
    """One LoRA of a run: what the user calls it, its file, the name of its adapter, how strong it is when."""

    name: str
    path: Path
    adapter: str
    multiplier: LoraMultiplier


@contextmanager
def apply_loras(
    pipe: Any, model: ModelDef, window: WindowRequest, on_step: Callable[[Step], None] | None = None
) -> Iterator[None]:
    """Within it the networks of `pipe` have the LoRAs of the definition and of the window's settings, no others.

    `window.lora_files` says which file an entry is; an entry that it lacks is taken as a path. `on_step` hears of
    layers that are left out. Raises SettingsError for a file that cannot be used with this model.
    """
    uses = wanted_loras(model, window)
    networks = denoisers(pipe)
    if uses and not networks:
        raise refuse_model(uses[0].name)
    schedule = Schedule(pipe, model, window.settings, networks)
    with torch.inference_mode(False), torch.no_grad():
        _sync(pipe, networks, uses, schedule, on_step)
    with ExitStack() as stack:
        for name, network in networks.items():
            present = [use for use in uses if use.adapter in adapters_of(network)]
            if present:
                multipliers = {use.adapter: use.multiplier for use in present}
                hook = schedule.hook(name, network, multipliers)
                for module in (network, *_sharing(pipe, network)):
                    handle = module.register_forward_pre_hook(hook, prepend=True, with_kwargs=True)
                    stack.callback(handle.remove)
        first = {use.adapter: schedule.first(use.multiplier, window.num_inference_steps) for use in uses}
        for encoder in text_encoders(pipe).values():
            set_strengths(encoder, {name: first[name] for name in adapters_of(encoder)})
        yield


def _sharing(pipe: Any, network: Any) -> list[Any]:
    """Other networks that have layers of this one, such as Z-Image's ControlNet: at each step they run before it."""
    layers = {id(layer) for layer in tuner_layers(network)}
    others = [other for other in networks_of(pipe).values() if other is not network]
    return [other for other in others if any(id(layer) in layers for layer in tuner_layers(other))]


def wanted_loras(model: ModelDef, window: WindowRequest) -> list[LoraUse]:
    """The LoRAs of the definition, then those of the settings, in order; a second mention is left out."""
    settings = window.settings
    phases, branches = model_shape(model)
    switch = int(settings.get("model_switch_phase") or 1)
    uses: dict[str, LoraUse] = {}
    for entries, text in (
        (own_loras(model), model.get("loras_multipliers")),
        (list(settings.get("activated_loras") or []), settings.get("loras_multipliers")),
    ):
        multipliers = parse_multipliers(
            text or "", len(entries), phases=phases, branches=branches, model_switch_phase=switch
        )
        for entry, multiplier in zip(entries, multipliers, strict=True):
            path = Path(window.lora_files.get(entry, lora_key(entry)))
            uses.setdefault(lora_key(entry), LoraUse(entry, path, _adapter_name(entry, path), multiplier))
    return list(uses.values())


def text_adapters(pipe: Any) -> tuple[str, ...]:
    """The adapters that the text encoders have now: embeddings made with others are of no use."""
    return tuple(name for encoder in text_encoders(pipe).values() for name in sorted(adapters_of(encoder)))


def adapters_of(network: Any) -> set[str]:
    """The names of the adapters that a network has."""
    return set(getattr(network, "peft_config", None) or ())


def remove_loras(pipe: Any) -> None:
    """Take every adapter off; the networks have their own layers again."""
    for network in denoisers(pipe).values():
        _unload(network)
        network.__dict__.pop(_CONTENTS, None)
    for encoder in text_encoders(pipe).values():
        if adapters_of(encoder):
            _strip_encoder(encoder)


def _unload(network: Any) -> None:
    if adapters_of(network):
        network.unload_lora()


def _adapter_name(entry: str, path: Path) -> str:
    """The same for the same content of the same file, and fit for the name of a module."""
    try:
        state = path.stat()
    except OSError as exc:
        raise SettingsError(f'activated_loras: there is no "{entry}".') from exc
    identity = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
    stem = re.sub(r"\W+", "_", path.stem)[:40]
    return f"{stem}_{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _sync(
    pipe: Any,
    networks: Mapping[str, nn.Module],
    uses: Sequence[LoraUse],
    schedule: Schedule,
    on_step: Callable[[Step], None] | None,
) -> None:
    """Take off the adapters that are not wanted, load those that are missing. After a failure there are none."""
    if not uses:
        remove_loras(pipe)
        return
    try:
        _take_off(pipe, networks, {use.adapter for use in uses})
        contents: dict[str, set[str]] = next(iter(networks.values())).__dict__.setdefault(_CONTENTS, {})
        for use in uses:
            wanted = {name for name in networks if schedule.uses(name, use.multiplier)}
            has = contents.get(use.adapter)
            missing = {name for name in wanted if use.adapter not in adapters_of(networks[name])}
            if has is not None and not missing & has:
                continue
            try:
                fitted = fit(read_lora(use.name, use.path), pipe)
                _load(pipe, networks, use, fitted, missing)
            except SettingsError as refusal:
                if not _leaves_out(networks):
                    raise
                _take_off(pipe, networks, {other.adapter for other in uses} - {use.adapter})
                _tell_left_out(refusal, on_step)
                continue
            _tell(use, fitted, on_step)
            contents[use.adapter] = _contents(fitted, networks)
    except BaseException:
        remove_loras(pipe)
        raise


def leave_out_loras(pipe: Any, is_wished: bool) -> None:
    """Let LoRAs that do not fit `pipe` be left out and told, instead of refused."""
    for network in denoisers(pipe).values():
        network.__dict__[_LEAVES_OUT] = is_wished


def _leaves_out(networks: Mapping[str, nn.Module]) -> bool:
    return any(network.__dict__.get(_LEAVES_OUT) for network in networks.values())


def _tell_left_out(refusal: SettingsError, on_step: Callable[[Step], None] | None) -> None:
    if on_step is not None:
        on_step(Step("", notice=f"{refusal} It is left out (--check-loras)."))


def _contents(fitted: Fitted, networks: Mapping[str, nn.Module]) -> set[str]:
    """The networks that a file has something for."""
    return {name for name in networks if _state_for(fitted, networks, name)}


def _state_for(fitted: Fitted, networks: Mapping[str, nn.Module], name: str) -> dict[str, torch.Tensor]:
    """What a file has for a network: its own part, or the one for the first network where it names no other."""
    main = next(iter(networks))
    if name in fitted.states or set(fitted.states) & set(networks) != {main}:
        return fitted.states.get(name, {})
    return fitted.states[main] if type(networks[name]) is type(networks[main]) else {}


def _metadata_for(fitted: Fitted, networks: Mapping[str, nn.Module], name: str) -> dict[str, Any] | None:
    return fitted.metadata.get(name if name in fitted.states else next(iter(networks)))


def _take_off(pipe: Any, networks: Mapping[str, nn.Module], wanted: set[str]) -> None:
    contents = next(iter(networks.values())).__dict__.get(_CONTENTS, {})
    for adapter in set(contents) - wanted:
        del contents[adapter]
    for network in networks.values():
        present = adapters_of(network)
        if not present & wanted:
            _unload(network)
        elif present - wanted:
            _delete(network, present - wanted)
    for encoder in text_encoders(pipe).values():
        present = adapters_of(encoder)
        if present and not present & wanted:
            _strip_encoder(encoder)
        for adapter in adapters_of(encoder) - wanted:
            delete_adapter_layers(encoder, adapter)


def _delete(network: Any, adapters: set[str]) -> None:
    network.delete_adapters(sorted(adapters))


def _strip_encoder(encoder: Any) -> None:
    recurse_remove_peft_layers(encoder)
    del encoder.peft_config
    encoder._hf_peft_config_loaded = False


def _load(pipe: Any, networks: Mapping[str, nn.Module], use: LoraUse, fitted: Fitted, missing: set[str]) -> None:
    for name in networks:
        state = _state_for(fitted, networks, name)
        if name not in missing or not state:
            continue
        network: Any = networks[name]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # peft's are about training and merging
                network.load_lora_adapter(
                    dict(state), prefix=None, adapter_name=use.adapter, metadata=_metadata_for(fitted, networks, name),
                    _pipeline=pipe, low_cpu_mem_usage=True,
                )  # fmt: skip
        except (ValueError, TypeError, KeyError, RuntimeError) as exc:
            raise SettingsError(f'activated_loras: "{use.name}" cannot be applied to this model: {exc}') from exc
        _settle(network, use.adapter, state)
    for name, encoder in text_encoders(pipe).items():
        if name in fitted.states and use.adapter not in adapters_of(encoder):
            state = {f"{name}.{key}": tensor for key, tensor in fitted.states[name].items()}
            pipe.load_lora_into_text_encoder(
                state, None, encoder, prefix=name, adapter_name=use.adapter, _pipeline=pipe
            )


def _settle(network: Any, adapter: str, state: Mapping[str, torch.Tensor]) -> None:
    """Freeze the new weights; where the model's lie in 8-bit floats, give them the type that it computes in."""
    home = _home(network)
    for name, weight in _adapter_weights(network, adapter):
        weight.requires_grad_(False)
        if weight.dtype.itemsize == 1 and name in state:
            weight.data = state[name].to(weight.device, network.dtype)
        if home is not None:
            weight.data = weight.data.to(home)


def _adapter_weights(network: nn.Module, adapter: str) -> Iterator[tuple[str, nn.Parameter]]:
    """The weights of an adapter, by the names that they have in a file."""
    for name, module in network.named_modules():
        for part in module.adapter_layer_names if isinstance(module, BaseTunerLayer) else ():
            inner = getattr(module, part)
            if adapter in inner and isinstance(inner, nn.ModuleDict):
                for ending, weight in inner[adapter].named_parameters():
                    yield f"{name}.{part}.{ending}", weight
            elif adapter in inner:
                yield f"{name}.{part}", inner[adapter]


def _home(network: Any) -> Any:
    """Where a network runs whose weights mmgp brings there block by block: it does not know of adapters' weights."""
    hook = getattr(network, "_hf_hook", None)
    return getattr(hook, "execution_device", None) if type(hook).__module__.startswith("mmgp") else None


def _tell(use: LoraUse, fitted: Fitted, on_step: Callable[[Step], None] | None) -> None:
    """Say which layers of a file have no effect."""
    left_out = [*fitted.unknown, *fitted.left_out]
    if left_out and on_step is not None:
        on_step(
            Step(
                "",
                notice=f'activated_loras: {len(left_out)} layers of "{use.name}" have no place in this model and are '
                f"left out (such as {left_out[0]}).",
            )
        )
