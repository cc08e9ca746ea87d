"""diffusers' caches over the blocks of a network, FirstBlockCache and MagCache, held to a budget of skipped steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from diffusers import FirstBlockCacheConfig, MagCacheConfig
from diffusers.hooks import HookRegistry
from diffusers.hooks.first_block_cache import _FBC_LEADER_BLOCK_HOOK, FBCHeadBlockHook
from diffusers.hooks.mag_cache import _MAG_CACHE_LEADER_BLOCK_HOOK, FLUX_MAG_RATIOS, nearest_interp
from torch import nn

from shared.diffusion.passes import Pass, around_passes, denoisers
from shared.diffusion.skip_budget import MOST_IN_A_ROW, Count, SkipBudget

if TYPE_CHECKING:
    from shared.core.model_def import ModelDef

NewBudget = Callable[[int], SkipBudget]


@contextmanager
def block_cached(
    pipe: Any, new_budget: NewBudget, count: Count, mag_ratios: Sequence[float] | None = None
) -> Iterator[None]:
    """Within it, the later blocks of the denoisers are skipped where the first one hardly changes (or, with
    `mag_ratios`, where the table says that the rest hardly changes). `count` is told each step.
    """
    cache = _Magnitudes(new_budget, count, mag_ratios) if mag_ratios else _FirstBlock(new_budget, count)
    with ExitStack() as stack:
        stack.callback(_disable, denoisers(pipe))
        stack.enter_context(around_passes(pipe, cache))
        yield


def magnitudes(model: ModelDef) -> Sequence[float]:
    """How the residual of the blocks grows from step to step: the model's own table, or diffusers' for FLUX.1."""
    return [float(ratio) for ratio in model.get("magcache_ratios") or FLUX_MAG_RATIOS]


def _disable(modules: Sequence[Any]) -> None:
    for module in modules:
        if getattr(module, "is_cache_enabled", False):
            module._reset_stateful_cache()
            module.disable_cache()


class _FirstBlock:
    """The first block is always computed; how far its answer has moved decides on the others."""

    def __init__(self, new_budget: NewBudget, count: Count) -> None:
        self._new_budget, self._count = new_budget, count
        self._budget = new_budget(1)
        self._computed_at: dict[tuple[int, int], float] = {}
        self._now: Pass | None = None
        self._skips = False
        self._last_time = 0.0

    def __call__(self, now: Pass) -> Any:
        if now.starts_run:
            self._budget, self._computed_at = self._new_budget(now.steps), {}
            _restart(now.module, FirstBlockCacheConfig())
        elif not now.module.is_cache_enabled:
            _restart(now.module, FirstBlockCacheConfig())
        hook = _leader(now.module, _FBC_LEADER_BLOCK_HOOK)
        hook._should_compute_remaining_blocks = lambda residual: self._computes(hook, residual)
        self._now = now
        network: Any = now.module
        with network.cache_context(f"branch {now.branch}"):
            return now.run()

    @torch.compiler.disable
    def _computes(self, hook: FBCHeadBlockHook, residual: torch.Tensor) -> bool:
        now, before = self._now, hook.state_manager.get_state().head_block_residual
        assert now is not None
        key = (id(now.module), now.branch)
        is_known = before is not None and self._computed_at.get(key) == self._last_time
        if now.branch == 0:
            self._decide(now, residual, before if is_known else None)
        if self._skips and is_known:
            return False
        self._computed_at[key] = now.time
        if now.branch == 0:
            self._last_time = now.time
        return True

    def _decide(self, now: Pass, residual: torch.Tensor, before: torch.Tensor | None) -> None:
        self._skips = False
        if before is None:
            self._budget.computes()
        else:
            change = float((residual - before).abs().mean() / before.abs().mean().clamp_min(1e-8))
            since_last = abs(self._last_time - now.time)
            self._skips = self._budget.skips(now.step, since_last, self._last_time, change)
            if not self._skips and since_last > 0:
                self._budget.learn(change / since_last)
        self._count.add(self._skips)


class _Magnitudes:
    """MagCache: a table tells how the rest of the network grows from step to step; its threshold is chosen so that as
    many steps are skipped as the budget allows."""

    def __init__(self, new_budget: NewBudget, count: Count, ratios: Sequence[float]) -> None:
        self._new_budget, self._count, self._ratios = new_budget, count, ratios
        self._config: MagCacheConfig | None = None

    def __call__(self, now: Pass) -> Any:
        if now.starts_run:
            self._config = mag_config(self._ratios, self._new_budget(now.steps))
            _restart(now.module, self._config)
        elif not now.module.is_cache_enabled:
            _restart(now.module, self._config)
        network: Any = now.module
        with network.cache_context(f"branch {now.branch}"):
            answer = now.run()
            state = _leader(now.module, _MAG_CACHE_LEADER_BLOCK_HOOK).state_manager.get_state()
        if now.branch == 0:
            self._count.add(not state.should_compute)
        return answer


def mag_config(ratios: Sequence[float], budget: SkipBudget) -> MagCacheConfig:
    """MagCache for a run, with the smallest threshold that skips as many steps as `budget` asks for."""
    table = nearest_interp(torch.tensor(ratios, dtype=torch.float32), budget.steps)
    wanted = budget.skips_left
    thresholds = [0.002 * 1.25**power for power in range(40)]
    chosen = next((t for t in thresholds if _mag_skips(table, budget, t) >= wanted), thresholds[-1])
    return MagCacheConfig(
        threshold=chosen,
        max_skip_steps=MOST_IN_A_ROW,
        retention_ratio=budget.first_free / budget.steps,
        num_inference_steps=budget.steps,
        mag_ratios=table,
    )


def _mag_skips(table: torch.Tensor, budget: SkipBudget, threshold: float) -> int:
    """How many steps MagCache (diffusers 0.42) skips at that threshold."""
    skipped, ratio, error, in_a_row = 0, 1.0, 0.0, 0
    for step in range(budget.first_free, budget.steps):
        ratio *= float(table[step])
        in_a_row += 1
        error += abs(1 - ratio)
        if error <= threshold and in_a_row <= MOST_IN_A_ROW:
            skipped += 1
        else:
            ratio, error, in_a_row = 1.0, 0.0, 0
    return skipped


def _restart(module: Any, config: Any) -> None:
    if module.is_cache_enabled:
        module._reset_stateful_cache()
        module.disable_cache()
    module.enable_cache(config)


def _leader(module: nn.Module, name: str) -> Any:
    """The hook on the first block."""
    for child in module.modules():
        registry = getattr(child, "_diffusers_hook", None)
        if isinstance(registry, HookRegistry) and name in registry.hooks:
            return registry.hooks[name]
    raise LookupError(f"{type(module).__name__} has no {name}")
