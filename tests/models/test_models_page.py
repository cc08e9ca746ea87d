"""docs/models.md names every shipped model and where its weights are."""

from __future__ import annotations

from pathlib import Path

from shared.engine.registry import Registry


def test_every_shipped_model_is_in_the_guide(root: Path) -> None:
    page = (root / "docs" / "models.md").read_text(encoding="utf-8")
    for path in (root / "defaults").glob("*.json"):
        model = Registry(root).get(path.stem)
        assert f"| `{model.model_type}` |" in page
        assert str(model.get("repo") or "") in page
