"""The words of the starter world and what each looks like.

Shared by the renderer and the judge: the names, the nominal colours and the backdrops. Colours are 8-bit RGB.
"""

from functools import lru_cache

import cv2
import numpy as np

SIZES = ("small", "", "big")
COLOURS = {
    "red": (225, 40, 40),
    "green": (40, 175, 60),
    "blue": (45, 80, 235),
    "yellow": (250, 220, 50),
    "orange": (250, 140, 30),
    "purple": (145, 60, 200),
    "white": (250, 250, 250),
    "pink": (250, 130, 190),
    "cyan": (40, 215, 225),
}
SHAPES = ("ball", "square", "triangle", "star", "ring")
MOTIONS = (
    "moving right",
    "moving left",
    "moving up",
    "moving down",
    "bouncing",
    "spinning",
    "growing",
    "shrinking",
    "standing still",
    "circling",
)
BACKGROUNDS = (
    "on a black background",
    "on a white background",
    "on a gray background",
    "in front of a blue sky",
    "in front of a night sky",
    "in front of green grass",
    "in front of a sunset",
)

# Pairs that could not be told apart, so they are neither trained nor asked for.
INVISIBLE = frozenset(
    {
        ("white", "on a white background"),
        ("blue", "in front of a blue sky"),
        ("green", "in front of green grass"),
        ("orange", "in front of a sunset"),
    }
)

# Radius of the subject as a share of the shorter side of the frame (lowest, highest).
RADIUS_RANGES = {"small": (0.105, 0.125), "": (0.165, 0.195), "big": (0.25, 0.28)}

SYNONYMS = {
    "small": ("little", "tiny"),
    "big": ("large", "huge"),
    "ball": ("circle", "sphere"),
    "square": ("box",),
    "ring": ("hoop",),
    "purple": ("violet",),
    "gray": ("grey",),
    "moving right": ("going right", "moving to the right", "sliding right"),
    "moving left": ("going left", "moving to the left", "sliding left"),
    "moving up": ("going up", "rising"),
    "moving down": ("going down", "falling"),
    "bouncing": ("jumping up and down", "bouncing up and down"),
    "spinning": ("rotating", "turning around"),
    "growing": ("getting bigger",),
    "shrinking": ("getting smaller",),
    "standing still": ("not moving", "resting"),
    "circling": ("orbiting", "moving in a circle"),
    "on a black background": ("on black", "with a black background"),
    "on a white background": ("on white", "with a white background"),
    "on a gray background": ("on gray", "on a grey background"),
    "in front of a blue sky": ("against a blue sky", "in the blue sky"),
    "in front of a night sky": ("against a night sky", "at night"),
    "in front of green grass": ("on green grass", "on a green lawn"),
    "in front of a sunset": ("at sunset", "against a sunset"),
}

# Rows of a backdrop from top to bottom: evenly spaced colours, joined by straight lines.
_GRADIENTS = {
    "on a black background": [(6, 6, 6)],
    "on a white background": [(248, 248, 248)],
    "on a gray background": [(128, 128, 128)],
    "in front of a blue sky": [(75, 145, 230), (150, 200, 245)],
    "in front of a night sky": [(8, 10, 40), (30, 28, 85)],
    "in front of green grass": [(105, 165, 65), (60, 115, 40)],
    "in front of a sunset": [(50, 40, 95), (150, 70, 100), (245, 150, 70)],
}
# Centres of the stars of the night sky as shares of width and height, and their radius as a share of the shorter side.
_NIGHT_STARS = (
    (0.10, 0.12), (0.33, 0.07), (0.62, 0.15), (0.88, 0.08), (0.20, 0.38), (0.47, 0.30),
    (0.78, 0.36), (0.08, 0.66), (0.92, 0.60), (0.35, 0.62), (0.66, 0.68), (0.15, 0.90),
    (0.52, 0.92), (0.84, 0.88),
)  # fmt: skip
_NIGHT_STAR_RADIUS = 0.015


@lru_cache(maxsize=256)
def paint_background(background: str, height: int, width: int) -> np.ndarray:
    """The empty backdrop, float32 (height, width, 3) in 0..255. Read-only: copy before drawing."""
    rows = np.asarray(_GRADIENTS[background], np.float32)
    positions = np.linspace(0.0, 1.0, len(rows))
    at = (np.arange(height) + 0.5) / height
    column = np.stack([np.interp(at, positions, rows[:, c]) for c in range(3)], axis=1).astype(np.float32)
    canvas = np.repeat(column[:, None, :], width, axis=1)
    if background == "in front of a night sky":
        _paint_stars(canvas)
    elif background == "in front of green grass":
        _paint_tufts(canvas)
    canvas.setflags(write=False)
    return canvas


def _paint_stars(canvas: np.ndarray) -> None:
    height, width = canvas.shape[:2]
    radius_px = max(_NIGHT_STAR_RADIUS * min(height, width), 0.8)
    for x, y in _NIGHT_STARS:
        centre = (round(x * width * 16), round(y * height * 16))
        star = np.zeros((height, width), np.uint8)
        cv2.circle(star, centre, round(radius_px * 16), 255, -1, cv2.LINE_AA, 4)
        canvas += (np.float32(210.0) - canvas) * (star[..., None] / np.float32(255.0))


def _paint_tufts(canvas: np.ndarray) -> None:
    """Mowing stripes: broad, faint waves across the lawn."""
    height, width = canvas.shape[:2]
    x = np.arange(width) / width
    y = np.arange(height)[:, None] / height
    canvas += (8.0 * np.sin(2 * np.pi * (5 * x[None] + 1.5 * y)))[..., None].astype(np.float32)
