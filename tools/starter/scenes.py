"""Seeded renderer of short captioned clips: coloured shapes that move in front of a backdrop.

A scene is a value; rendering it twice gives the same pixels. All lengths in a scene are shares of the frame, so one
scene can be rendered at any size.
"""

import hashlib
import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .vocabulary import (
    BACKGROUNDS,
    COLOURS,
    INVISIBLE,
    MOTIONS,
    RADIUS_RANGES,
    SHAPES,
    SIZES,
    paint_background,
)

CLIP_FRAMES = 17
HELD_OUT_SHARE = 0.10
SPIN_DEGREES_PER_FRAME = 15.0
BOUNCE_PERIOD_FRAMES = 8.0
ORBIT_PERIOD_FRAMES = 16.0
GROWTH_RANGE = (0.62, 1.45)

_SUBPIXEL_BITS = 4
_SUBPIXEL = 1 << _SUBPIXEL_BITS


@dataclass(frozen=True)
class Combination:
    """One row of the caption table: what a prompt can ask of one subject."""

    size: str
    colour: str
    shape: str
    motion: str
    background: str

    @property
    def prompt(self) -> str:
        """The canonical caption."""
        words = ["a", self.size, self.colour, self.shape, self.motion, self.background]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Subject:
    """One moving shape. `radius` is a share of the shorter side, `start` (x, y) of width and height.

    `travel` is the way in 16 frames as a share of the side it runs along, or the height of a bounce, or the radius of
    an orbit as a share of the shorter side. `phase` is the share of a round, or of a growth, that is over at frame 0.
    """

    size: str
    colour: str
    shape: str
    motion: str
    radius: float
    start: tuple[float, float]
    travel: float
    phase: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """A backdrop and one or two subjects. `tint` is added to the backdrop (8-bit units)."""

    background: str
    subjects: tuple[Subject, ...]
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def combination(self) -> Combination:
        first = self.subjects[0]
        return Combination(first.size, first.colour, first.shape, first.motion, self.background)


def is_held_out(combination: Combination) -> bool:
    """Whether a combination is kept out of training; about one in ten, the same on every machine."""
    key = "|".join(
        (combination.size, combination.colour, combination.shape, combination.motion, combination.background)
    )
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def sample_combination(rng: np.random.Generator, held_out: bool = False) -> Combination:
    """A visible combination of the training split, or of the held-out one."""
    while True:
        combination = Combination(
            SIZES[rng.choice(3, p=(0.25, 0.5, 0.25))],
            list(COLOURS)[rng.integers(len(COLOURS))],
            SHAPES[rng.integers(len(SHAPES))],
            MOTIONS[rng.integers(len(MOTIONS))],
            BACKGROUNDS[rng.integers(len(BACKGROUNDS))],
        )
        visible = (combination.colour, combination.background) not in INVISIBLE
        if visible and is_held_out(combination) == held_out:
            return combination


def make_subject(combination: Combination, rng: np.random.Generator, spread: float = 1.0) -> Subject:
    """A subject with chance in place, speed and shade, so that the whole motion is seen in 17 frames.

    `spread` 1 uses all the room there is; towards 0 the motion lies in the middle of the frame and begins alike.
    """
    radius = rng.uniform(*RADIUS_RANGES[combination.size])
    reach = radius * (GROWTH_RANGE[1] if combination.motion in ("growing", "shrinking") else 1.0)
    low, high = reach + 0.02, 1.0 - reach - 0.02
    place = [0.5 + spread * (_between(rng, low, high) - 0.5) for _ in range(2)]
    travel = 0.0
    match combination.motion:
        case "moving right" | "moving left" | "moving up" | "moving down":
            axis = 0 if combination.motion in ("moving right", "moving left") else 1
            travel = min(rng.uniform(0.42, 0.62), high - low)
            middle = (low + high - travel) / 2
            begin = middle + spread * (rng.uniform(low, max(high - travel, low)) - middle)
            place[axis] = begin if combination.motion in ("moving right", "moving down") else 1.0 - begin
        case "bouncing":
            travel = min(rng.uniform(0.38, 0.55), high - low)
            place[1] = min(high, low + travel + spread * rng.uniform(0.0, 0.25))
        case "circling":
            travel = min(rng.uniform(0.2, 0.28), 0.49 - radius)
            place = [0.5 + rng.uniform(-0.03, 0.03), 0.5 + rng.uniform(-0.03, 0.03)]
        case "spinning" | "growing" | "shrinking":
            place = [0.5 + (p - 0.5) * 0.6 for p in place]
    shade = np.asarray(COLOURS[combination.colour]) + rng.uniform(-5, 5, 3)
    return Subject(
        combination.size,
        combination.colour,
        combination.shape,
        combination.motion,
        radius,
        (place[0], place[1]),
        travel,
        0.0 if combination.motion in ("growing", "shrinking") else spread * rng.uniform(0.0, 1.0),
        tuple(np.clip(shade, 0, 255).tolist()),
    )


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return rng.uniform(low, high) if high > low else 0.5


def make_scene(combination: Combination, rng: np.random.Generator, spread: float = 1.0) -> Scene:
    """A scene with one subject; `spread` as in `make_subject`."""
    tint = tuple(rng.uniform(-4, 4, 3).tolist())
    return Scene(combination.background, (make_subject(combination, rng, spread),), tint)


def sample_scene(
    rng: np.random.Generator, two_subjects: float = 0.07, anywhere: float = 0.6, centred: float = 0.0
) -> Scene:
    """A training scene. Some have a second subject.

    The share `anywhere` begins at any place, or at any size, and may leave the frame: where the whole motion is always
    seen, the first frame gives it away (what is on the left moves right) and its word is never learned. The share
    `centred` of the scenes is simple: in the middle of the frame, begun alike.
    """
    scene = make_scene(sample_combination(rng), rng, spread=0.12 if rng.random() < centred else 1.0)
    if rng.random() < anywhere:
        scene = replace(scene, subjects=(_begun_anywhere(scene.subjects[0], rng),))
    if rng.random() < two_subjects:
        return replace(scene, subjects=_pair(scene, rng))
    return scene


def _begun_anywhere(subject: Subject, rng: np.random.Generator) -> Subject:
    """The subject at any point of its way or growth; the other motions stay as they are."""
    if subject.motion in ("growing", "shrinking"):
        return replace(subject, phase=rng.uniform(0.0, 0.5))
    if subject.motion not in _DIRECTIONS:
        return subject
    place = list(subject.start)
    begin = rng.uniform(subject.radius, 0.75)
    axis = 0 if subject.motion in ("moving right", "moving left") else 1
    place[axis] = begin if subject.motion in ("moving right", "moving down") else 1.0 - begin
    return replace(subject, start=(place[0], place[1]))


def _pair(scene: Scene, rng: np.random.Generator) -> tuple[Subject, Subject]:
    """Two subjects of different colours; the second is drawn in front."""
    while True:
        other = replace(sample_combination(rng), background=scene.background)
        different = other.colour != scene.subjects[0].colour
        if different and (other.colour, other.background) not in INVISIBLE and not is_held_out(other):
            return scene.subjects[0], make_subject(other, rng)


_DIRECTIONS = {"moving right": (1, 0), "moving left": (-1, 0), "moving up": (0, -1), "moving down": (0, 1)}


def pose(subject: Subject, frame: float, height: int, width: int) -> tuple[float, float, float, float]:
    """Centre x, centre y and radius in pixels, and angle in radians, of a subject at a frame (8 frames a second)."""
    short = min(height, width)
    x, y = subject.start[0] * width, subject.start[1] * height
    radius, angle = subject.radius * short, 0.0
    match subject.motion:
        case "moving right" | "moving left" | "moving up" | "moving down":
            dx, dy = _DIRECTIONS[subject.motion]
            x += dx * subject.travel * width * frame / 16
            y += dy * subject.travel * height * frame / 16
        case "bouncing":
            u = (frame / BOUNCE_PERIOD_FRAMES + subject.phase) % 1.0
            y -= subject.travel * height * 4 * u * (1 - u)
        case "circling":
            turn = 2 * math.pi * (frame / ORBIT_PERIOD_FRAMES + subject.phase)
            x += subject.travel * short * math.cos(turn)
            y += subject.travel * short * math.sin(turn)
        case "spinning":
            angle = math.radians(SPIN_DEGREES_PER_FRAME * (frame + 24 * subject.phase))
        case "growing" | "shrinking":
            u = min(frame / 16 + subject.phase, 1.5)
            low, high = GROWTH_RANGE
            radius *= low + (high - low) * (u if subject.motion == "growing" else 1 - u)
    return x, y, radius, angle


def render(
    scene: Scene, num_frames: int, height: int, width: int, first_frame: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The clip, uint8 (frames, height, width, 3), and the share of foreground in each pixel, uint8 (frames, h, w)."""
    frames = [render_frame(scene, first_frame + index, height, width) for index in range(num_frames)]
    return np.stack([frame for frame, _ in frames]), np.stack([mask for _, mask in frames])


def render_frame(scene: Scene, frame: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """One frame of the clip: uint8 (height, width, 3) and its foreground mask, uint8 (height, width)."""
    canvas = paint_background(scene.background, height, width) + np.asarray(scene.tint, np.float32)
    foreground = np.zeros((height, width), np.uint8)
    for subject in scene.subjects:
        place = pose(subject, frame, height, width)
        mask, mark = _draw(subject, place, height, width)
        colour = np.asarray(subject.rgb, np.float32)
        canvas += (colour - canvas) * (mask[..., None] / np.float32(255))
        if mark is not None:
            canvas += (colour * np.float32(0.45) - canvas) * (mark[..., None] / np.float32(255))
        np.maximum(foreground, mask, out=foreground)
    return np.clip(canvas + 0.5, 0, 255).astype(np.uint8), foreground


def _draw(subject: Subject, place: tuple[float, ...], height: int, width: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Coverage mask of the shape, and of the dark mark that shows how far a round shape has turned."""
    x, y, radius, angle = place
    mask = np.zeros((height, width), np.uint8)
    mark = None
    marked = subject.motion == "spinning"
    if subject.shape in ("ball", "ring"):
        _fill_circle(mask, x, y, radius, 255)
        if subject.shape == "ball" and marked:
            mark = np.zeros_like(mask)
            _fill_polygon(mark, _bar(x, y, -1.2 * radius, 1.2 * radius, 0.3 * radius, angle), 255)
            mark = np.minimum(mark, mask)
        if subject.shape == "ring":
            _fill_circle(mask, x, y, 0.55 * radius, 0)
            if marked:
                _fill_polygon(mask, _bar(x, y, 0.2 * radius, 1.2 * radius, 0.38 * radius, angle), 0)
    else:
        _fill_polygon(mask, _outline(subject.shape, x, y, radius, angle), 255)
    return mask, mark


def _fill_circle(mask: np.ndarray, x: float, y: float, radius: float, value: int) -> None:
    centre = (round((x - 0.5) * _SUBPIXEL), round((y - 0.5) * _SUBPIXEL))
    cv2.circle(mask, centre, max(round((radius - 0.5) * _SUBPIXEL), 1), value, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fill_polygon(mask: np.ndarray, points: np.ndarray, value: int) -> None:
    fixed = np.round((points - 0.5) * _SUBPIXEL).astype(np.int32)
    cv2.fillPoly(mask, [fixed], value, cv2.LINE_AA, _SUBPIXEL_BITS)


def _outline(shape: str, x: float, y: float, radius: float, angle: float) -> np.ndarray:
    """Corners of an upright square, triangle or star, turned by `angle`; all of about the area of the ball."""
    match shape:
        case "square":
            corners, radii, turn = 4, [1.2 * radius] * 4, math.pi / 4
        case "triangle":
            corners, radii, turn = 3, [1.35 * radius] * 3, -math.pi / 2
        case _:
            corners, radii, turn = 10, [1.3 * radius, 0.58 * radius] * 5, -math.pi / 2
    angles = angle + turn + 2 * math.pi * np.arange(corners) / corners
    return np.stack([x + np.asarray(radii) * np.cos(angles), y + np.asarray(radii) * np.sin(angles)], axis=1)


def _bar(x: float, y: float, inner: float, outer: float, breadth: float, angle: float) -> np.ndarray:
    """A rectangle of half-width `breadth` / 1 along the direction `angle`, from `inner` to `outer` off the centre."""
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]]) * breadth
    centre = np.array([x, y])
    return np.stack(
        [
            centre + inner * along - across,
            centre + outer * along - across,
            centre + outer * along + across,
            centre + inner * along + across,
        ]
    )
