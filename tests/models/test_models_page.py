"""docs/models.md names every shipped model of the family and where its weights are."""

from __future__ import annotations

from pathlib import Path

from shared.engine.registry import Registry


def test_every_wan_model_is_in_the_guide(root: Path) -> None:
    page = (root / "docs" / "models.md").read_text(encoding="utf-8")
    shipped = {path.stem for path in (root / "defaults").glob("*.json")}
    for model in Registry(root).models().values():
        if model.family == "wan" and model.model_type in shipped:
            assert f"| `{model.model_type}` |" in page
            assert str(model.get("repo") or "") in page
