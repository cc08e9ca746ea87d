"""Captions of scenes: the canonical sentence, and the many ways in which people write the same."""

import numpy as np

from .scenes import Scene, Subject
from .vocabulary import SYNONYMS

FILLER_WORDS = (
    "cinematic", "beautiful", "high", "quality", "simple", "nice", "animation", "clip", "scene", "very", "slowly",
    "quickly", "there", "is", "the", "which", "shows", "please", "make", "bright", "clean", "smooth", "style",
)  # fmt: skip
_VIDEO_OPENINGS = ("a video of", "video of", "a clip of", "an animation of", "there is", "we see")
_PICTURE_OPENINGS = ("a picture of", "an image of", "a photo of", "picture of", "there is")


def canonical_caption(scene: Scene) -> str:
    """`a small red ball moving right on a black background`; two subjects are joined by `and`."""
    subjects = [_words("a", s.size, s.colour, s.shape, s.motion) for s in scene.subjects]
    return _words(" and ".join(subjects), scene.background)


def sample_caption(scene: Scene, rng: np.random.Generator, is_picture: bool = False) -> str:
    """A caption as a user might write it: synonyms, missing parts, other order, other case, openings and fillers."""
    if rng.random() < 0.5:
        return canonical_caption(scene)
    subjects = " and ".join(_describe(subject, rng, is_picture) for subject in scene.subjects)
    background = "" if rng.random() < 0.06 else _synonym(scene.background, rng)
    openings = _PICTURE_OPENINGS if is_picture else _VIDEO_OPENINGS
    opening = openings[rng.integers(len(openings))] if rng.random() < 0.15 else ""
    if background and rng.random() < 0.12:
        text = _words(background + ("," if rng.random() < 0.5 else ""), opening, subjects)
    else:
        text = _words(opening, subjects + ("," if rng.random() < 0.04 else ""), background)
    if rng.random() < 0.06:
        text = _with_filler(text, rng)
    if rng.random() < 0.15:
        text += "."
    return text


def _describe(subject: Subject, rng: np.random.Generator, is_picture: bool) -> str:
    size = "" if rng.random() < 0.05 else _synonym(subject.size, rng)
    colour = "" if rng.random() < 0.03 else _synonym(subject.colour, rng)
    shape = "shape" if rng.random() < 0.02 else _synonym(subject.shape, rng)
    motion = "" if rng.random() < (0.3 if is_picture else 0.04) else _synonym(subject.motion, rng)
    article = ("a", "the", "one", "")[rng.choice(4, p=(0.84, 0.06, 0.04, 0.06))]
    if motion and rng.random() < 0.06:
        return _words(article, size, colour, shape, "that is", motion)
    if motion and rng.random() < 0.05:
        return _words(article, motion, size, colour, shape)
    return _words(article, size, colour, shape, motion)


def _synonym(words: str, rng: np.random.Generator) -> str:
    others = SYNONYMS.get(words, ())
    return others[rng.integers(len(others))] if others and rng.random() < 0.2 else words


def _with_filler(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    for _ in range(rng.integers(1, 3)):
        words.insert(rng.integers(len(words) + 1), FILLER_WORDS[rng.integers(len(FILLER_WORDS))])
    return " ".join(words)


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def all_words() -> list[str]:
    """Every word that a caption can hold but for the fillers, which are spelled letter by letter."""
    from .vocabulary import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES

    texts = [*SIZES, *COLOURS, *SHAPES, *MOTIONS, *BACKGROUNDS, *_VIDEO_OPENINGS, *_PICTURE_OPENINGS]
    texts += [other for others in SYNONYMS.values() for other in others]
    texts += ["a an and the one that is shape with two"]
    return sorted({word for text in texts for word in text.split()})
