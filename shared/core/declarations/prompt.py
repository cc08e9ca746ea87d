"""What to make, in words; and how several lines of words become several clips."""

from __future__ import annotations

from typing import Any

from shared.core.conditions import is_set
from shared.core.declarations.rules import MAKES_PICTURES_OR_CLIPS
from shared.core.params import Param

_PROMPT_MODES = {0: "G", 1: "W", 2: "FG", "0": "G", "1": "W", "2": "FG", "": "FG", "P": "PG"}


def prompt_mode_of(value: Any) -> Any:
    """Today's letters for the numbers of earlier versions: 0 is G, 1 is W, 2 is FG."""
    known = isinstance(value, (int, str)) and value in _PROMPT_MODES
    return _PROMPT_MODES[value] if known else value


PARAMS: tuple[Param, ...] = (
    Param(
        "prompt", "text", "", "Prompt",
        "What the picture or clip shows. Say the subject first, then what it does, then the place and the light. "
        "A line that starts with # is a remark; a line that starts with ! declares variables.",
        "prompt", multiline=True, aliases=("prompts",),
    ),
    Param(
        "alt_prompt", "text", "", "Second prompt",
        "Another text for models that read two, such as the words to be spoken beside the description of the scene.",
        "prompt", multiline=True, applies=is_set("alt_prompt"), unsupported="refuse",
    ),
    Param(
        "negative_prompt", "text", "", "Negative prompt",
        "What to keep away from the result: faults, styles, objects. It needs a guidance above 1 to have an effect.",
        "prompt", multiline=True, applies=~is_set("no_negative_prompt"),
    ),
    Param(
        "multi_prompts_gen_type", "choice", "PG", "Several lines of prompt",
        "What the lines of the prompt stand for: separate results, the successive windows of one clip, or one text.",
        "prompt", older=prompt_mode_of,
        choices=(
            ("Each line is a result", "G"),
            ("Each paragraph is a result", "PG"),
            ("Each line is a window of one clip", "W"),
            ("Each paragraph is a window of one clip", "PW"),
            ("The whole text is one prompt", "FG"),
        ),
    ),
    Param(
        "prompt_enhancer", "letters", "", "Prompt enhancer",
        "Lets a language model write a richer prompt from yours: T reads the text, I looks at the start image too.",
        "prompt", pattern=r"[TIKLOBMA0-9,]*",
        accepts="the letters T (text), I (image), K (think), L, O, B, M, A, digits and commas",
        applies=is_set("prompt_enhancer"), unsupported="refuse",
    ),
    Param(
        "styles", "list", [], "Styles",
        "Styles by name, put around the prompt in this order. \"Fooocus V2\" lets a small language model extend the "
        "prompt, \"Random Style\" is another one with each seed.",
        "prompt", applies=MAKES_PICTURES_OR_CLIPS, unsupported="refuse",
    ),
    Param(
        "wildcards_in_order", "bool_int", 0, "Wildcards in order",
        "Each wildcard (the name of a word list between double underscores) takes the next line of its list with each "
        "sample, instead of a random one.",
        "prompt",
    ),
    Param(
        "model_mode", "text_or_int", None, "Mode of the model",
        "Chooses between the ways of working that some models offer.",
        "advanced", applies=is_set("model_modes"), unsupported="refuse", accepts="one of the model's own modes",
    ),
)  # fmt: skip
