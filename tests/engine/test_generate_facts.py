"""What a pipeline says beside its progress reaches the user and the file."""

from __future__ import annotations

from pathlib import Path

from shared.core.contracts import Step
from shared.core.events import Info
from shared.core.settings import unknown_keys
from shared.media.metadata import read_settings
from tests.fakes.engine import make_engine


def test_counts_of_a_sample_are_told_and_kept_in_its_file(tmp_path: Path) -> None:
    engine = make_engine(tmp_path)
    notice = "Step skipping: 9 of 20 steps were not computed."
    engine.pipeline.asides = [Step("", notice=notice, facts={"skipped_steps": 9, "computed_steps": 11})]
    outputs = engine.make("a red ball", repeat_generation=2)

    assert [event.text for event in engine.events if isinstance(event, Info)].count(notice) == 2
    for output in outputs:
        embedded = read_settings(output.path)
        assert embedded is not None
        assert (output.settings["skipped_steps"], embedded["computed_steps"]) == (9, 11)
        assert unknown_keys(embedded) == []
