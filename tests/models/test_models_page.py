"""docs/models.md names the shipped models of these families and where their weights are."""

from __future__ import annotations

from pathlib import Path

from shared.engine.registry import Registry


def test_shipped_models_are_in_the_guide(root: Path) -> None:
    page = (root / "docs" / "models.md").read_text(encoding="utf-8")
    shipped = {path.stem for path in (root / "defaults").glob("*.json")}
    for model in Registry(root).models().values():
        if model.family in ("wan", "sdxl", "music") and model.model_type in shipped:
            assert f"| `{model.model_type}` |" in page
            assert str(model.get("repo") or "") in page
