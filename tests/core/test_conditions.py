"""When a setting applies, as a test and as words."""

from __future__ import annotations

import pytest

from shared.core.conditions import ALWAYS, Rule, at_least, equals, has_letter, is_set


@pytest.mark.parametrize(
    ("rule", "holds", "fails"),
    [
        (is_set("a"), {"a": [1]}, {"a": 0}),
        (equals("mode", 0, default=0), {"mode": None}, {"mode": 1}),
        (at_least("phases", 2, 1), {"phases": 2}, {}),
        (has_letter("flags", "VL"), {"flags": "SL"}, {"flags": "S"}),
        (~is_set("a"), {}, {"a": "x"}),
        (is_set("a") & is_set("b"), {"a": 1, "b": 1}, {"a": 1}),
        (is_set("a") | is_set("b"), {"b": 1}, {}),
        ((is_set("a") | is_set("b")) & ~is_set("c"), {"a": 1}, {"a": 1, "c": 1}),
    ],
)
def test_a_rule_is_tested_on_a_dict(rule: Rule, holds: dict, fails: dict) -> None:
    assert rule(holds) and not rule(fails)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ALWAYS, "always"),
        (~is_set("a"), "`a` is not set"),
        (~equals("mode", 0), "`mode` is not 0"),
        (~has_letter("f", "V"), "not (`f` has `V`)"),
        (ALWAYS & is_set("a"), "`a` is set"),
        ((is_set("a") | at_least("b", 2)) & has_letter("c", "V"), "(`a` is set or `b` is at least 2) and `c` has `V`"),
    ],
)
def test_a_rule_can_be_said_in_words(rule: Rule, words: str) -> None:
    assert rule.words() == words
