"""Paints one flowering plant of any of five kinds.

Knows how the kinds are built from petals: that is what tells them apart. Their colours overlap on purpose.
Does not know what stands around a plant (`scenery`), nor how a petal gets onto the canvas (`brushes`).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .brushes import UP, Petal, Scene, let_through, make_petal, make_stamp, scale, shift, turn, vary

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))

# Blue, green, red. Named after what a gardener would call them.
COLOURS = {
    "white": (238, 240, 244),
    "cream": (190, 232, 250),
    "yellow": (40, 205, 250),
    "orange": (40, 135, 245),
    "red": (45, 35, 205),
    "pink": (190, 150, 240),
    "magenta": (150, 60, 205),
    "violet": (190, 80, 140),
    "blue": (225, 120, 95),
}
HABITS = {
    "bluebell": ("blue", "violet", "pink", "white", "magenta", "cream"),
    "daisy": ("white", "yellow", "pink", "violet", "blue", "orange", "magenta"),
    "rose": ("red", "pink", "white", "yellow", "cream", "orange", "magenta", "violet"),
    "sunflower": ("yellow", "orange", "red", "cream", "pink", "white"),
    "tulip": ("red", "yellow", "pink", "violet", "orange", "white", "magenta", "cream"),
}
KINDS = tuple(sorted(HABITS))
DISCS = ((30, 180, 235), (25, 120, 190), (30, 45, 70), (40, 110, 100), (25, 60, 110))


def paint_disc(scene: Scene, view: np.ndarray, radius: float, *, seeds: int, chances) -> None:
    """Paint a flower's centre: a dome of `seeds` florets in the golden-angle spiral of a real one.

    `chances` are the probabilities of the five `DISCS` colours.
    """
    rng, light = scene.rng, scene.light
    colour = vary(rng, DISCS[int(rng.choice(len(DISCS), p=chances))])
    size = int(2 * radius) + 12
    y, x = np.mgrid[:size, :size].astype(np.float32) - (size - 1) / 2
    far = np.hypot(x, y) / radius
    picture = np.full((size, size, 3), np.float32(colour) * 0.55).astype(np.uint8)
    tones = rng.uniform(0.75, 1.25, seeds) * np.linspace(rng.uniform(0.5, 1.2), 1.1, seeds)
    for number, tone in enumerate(tones):
        out, angle = radius * math.sqrt((number + 0.5) / seeds), number * GOLDEN_ANGLE
        spot = (size / 2 + out * math.cos(angle), size / 2 + out * math.sin(angle))
        shape = max(1, round(16 * 0.75 * radius / math.sqrt(seeds)))
        where = (round(spot[0] * 16), round(spot[1] * 16))
        cv2.circle(picture, where, shape, [min(255.0, c * tone) for c in colour], -1, cv2.LINE_AA, shift=4)
    dome = 1 - 0.3 * far**2 + 0.25 * (x * math.cos(light) + y * math.sin(light)) / radius
    alpha = np.clip((1 - far) * radius + 0.5, 0, 1)
    disc = make_stamp(picture * (dome * alpha)[..., None], let_through(alpha, 2.5))
    scene.stamp(disc, view @ shift(-size / 2, -size / 2))


def paint_ring(
    scene: Scene, view: np.ndarray, petal: Petal, count: int, start: float, *, length=1.0, at=0.0, jitter=0.08
) -> None:
    """Paint `count` petals around the middle, each a little different; `at` moves their roots outwards."""
    rng = scene.rng
    angles = start + 2 * math.pi * (np.arange(count) + rng.uniform(-jitter, jitter, count) * 2) / count
    for angle in rng.permutation(angles):
        stretch = length * rng.uniform(1 - jitter, 1 + jitter), length * rng.uniform(1 - jitter, 1 + jitter)
        root = (at * math.cos(angle), at * math.sin(angle))
        petal.paint(scene, view, root, angle, stretch=stretch, gain=rng.uniform(0.9, 1.06))


def paint_daisy(scene: Scene, view: np.ndarray, size: float, colour) -> None:
    """Many narrow petals with round tips about a small centre."""
    rng = scene.rng
    count, start = int(rng.integers(13, 26)), rng.uniform(0, 7)
    width = size * rng.uniform(1.0, 1.5) * 2 * math.pi * 0.62 / count
    outline = (rng.uniform(0.35, 0.6), 7, 0.5)
    petal = make_petal(rng, (size, width), (vary(rng, colour), vary(rng, colour)), outline)
    if rng.random() < 0.5:
        paint_ring(scene, view, petal, count, start + math.pi / count)
    paint_ring(scene, view, petal, count, start, length=0.96)
    paint_disc(scene, view, size * rng.uniform(0.2, 0.29), seeds=70, chances=(0.5, 0.2, 0.1, 0.1, 0.1))


def paint_sunflower(scene: Scene, view: np.ndarray, size: float, colour) -> None:
    """Two rings of pointed petals about a centre as wide as half the flower."""
    rng = scene.rng
    count, start, radius = int(rng.integers(15, 24)), rng.uniform(0, 7), size * rng.uniform(0.44, 0.56)
    length = size - 0.8 * radius
    root = vary(rng, colour * rng.uniform(0.6, 1.0))
    width = size * rng.uniform(1.1, 1.5) * 4.6 / count
    petal = make_petal(rng, (length, width), (root, vary(rng, colour)), (0.5, 1.5, rng.uniform(0.9, 1.2)))
    paint_ring(scene, view, petal, count, start + math.pi / count, at=0.8 * radius)
    paint_ring(scene, view, petal, count, start, length=0.92, at=0.8 * radius)
    paint_disc(scene, view, radius, seeds=190, chances=(0.1, 0.15, 0.35, 0.15, 0.25))


def paint_rose(scene: Scene, view: np.ndarray, size: float, colour) -> None:
    """Broad overlapping petals, ring within ring down to the middle; no centre to be seen."""
    rng = scene.rng
    count, start = int(rng.integers(5, 7)), rng.uniform(0, 7)
    shape = (rng.uniform(0.7, 0.95), rng.uniform(3, 5), 0.5)
    colours = vary(rng, colour * 0.8), vary(rng, colour)
    length, shrink = 1.0, rng.uniform(0.72, 0.8)
    for _ in range(3):
        petal_size = size * length, size * length * rng.uniform(5.6, 6.6) / count
        petal = make_petal(rng, petal_size, colours, shape, rim=rng.uniform(0.05, 0.12), depth=0.9, fade=1)
        for inner in (1.0, shrink):
            paint_ring(scene, view, petal, count, start, length=inner, jitter=0.09)
            start += GOLDEN_ANGLE + rng.uniform(-0.2, 0.2)
        length, count = length * shrink**2, max(3, count - 1)


def paint_tulip(scene: Scene, view: np.ndarray, size: float, colour) -> None:
    """A cup on a straight stem, seen from the side: petals behind, at the sides and in front."""
    rng = scene.rng
    height, lean = 1.75 * size, rng.uniform(0.10, 0.30)
    outline = (rng.uniform(0.45, 0.6), rng.uniform(2.4, 3.4), rng.uniform(0.7, 0.95))
    tip = vary(rng, colour)
    petal = make_petal(rng, (height, 0.95 * size), (vary(rng, tip * 0.8), tip), outline, rim=0.08, depth=0.3)
    foot = (0.0, size)
    behind = (-0.6 * lean, 0.6 * lean)
    beside = rng.permutation((-1.25 * lean, 1.25 * lean))
    for tilt, tone in zip((*behind, *beside), (0.72, 0.72, 0.9, 0.9), strict=True):
        petal.paint(scene, view, foot, UP + tilt, stretch=(rng.uniform(0.92, 1.02), 1), gain=tone)
    front = (rng.uniform(0.82, 0.95), rng.uniform(0.9, 1.1))
    petal.paint(scene, view, foot, UP + rng.uniform(-0.4, 0.4) * lean, stretch=front)


def paint_bluebell(scene: Scene, view: np.ndarray, size: float, colour) -> None:
    """Bells hanging one above the other from an arching stem."""
    rng = scene.rng
    count, bend = int(rng.integers(6, 10)), float(rng.choice((-1, 1))) * rng.uniform(0.35, 0.9) * size
    along = np.linspace(0, 1, 24)
    spine = np.stack([bend * along**2.2, size * (1 - 2.1 * along + 0.35 * along**4)], axis=1)
    paint_stem(scene, view, spine, size * 0.05)
    length = size * rng.uniform(0.4, 0.5)
    colours = vary(rng, colour), vary(rng, colour, 14)
    petal = make_petal(rng, (length, length * 0.42), colours, (0.22, 9, 0.8), rim=0.12)
    for number in range(count):
        place = 0.3 + 0.7 * number / (count - 1)
        x, y = spine[round(place * 23)]
        side = math.copysign(1, bend) * (-1) ** number
        hang = math.pi / 2 - side * rng.uniform(0.35, 0.8) * (1.15 - 0.5 * place)
        grow = 1.1 - 0.45 * place
        for spread, tone in ((-0.36, 0.75), (0.36, 0.75), (-0.17, 0.92), (0.17, 0.92), (0.0, 1.05)):
            petal.paint(scene, view, (x + side * 0.05 * size, y), hang + spread, stretch=(grow, grow), gain=tone)


PAINTERS = {
    "bluebell": paint_bluebell,
    "daisy": paint_daisy,
    "rose": paint_rose,
    "sunflower": paint_sunflower,
    "tulip": paint_tulip,
}


def paint_stem(scene: Scene, view: np.ndarray, points: np.ndarray, width: float) -> None:
    """Paint a stem through `points` (n x 2): a dark line, a lighter one in it, and a highlight towards the light."""
    through = points @ view[:2, :2].T + view[:2, 2]
    green = vary(scene.rng, (60, 120, 85))
    thick = max(2, round(width))
    offset = np.array([math.cos(scene.light), math.sin(scene.light)]) * thick * 0.2
    for part, tone in ((1.0, 0.6), (0.7, 0.95), (0.3, 1.3)):
        line = np.round((through + offset * (1 - part)) * 16).astype(np.int32)
        colour = [float(min(255, c * tone)) for c in green]
        cv2.polylines(scene.canvas, [line], False, colour, max(1, round(thick * part)), cv2.LINE_AA, shift=4)


def make_leaf(scene: Scene, length: float, width: float, soft: float = 0.0) -> Petal:
    """Return a green leaf or blade of grass."""
    green = vary(scene.rng, (50, 125, 80), 14) * scene.rng.uniform(0.6, 1.15)
    outline = (scene.rng.uniform(0.4, 0.9), 1.6, scene.rng.uniform(0.8, 1.2))
    return make_petal(scene.rng, (length, width), (green * 0.8, green * 1.1), outline, rib=0.14, soft=soft, depth=0.2)


def paint_plant(scene: Scene, kind: str, middle, size: float, colour) -> None:
    """Paint a whole plant: stem and leaves first, then the flower of `size` pixels' radius at `middle`."""
    rng = scene.rng
    upright = kind in ("tulip", "bluebell")
    rows = scene.canvas.shape[0]
    lean = rng.uniform(-0.25, 0.25)
    view = shift(*middle) @ turn(lean)
    if not upright:
        view = view @ turn(rng.uniform(-0.9, 0.9)) @ scale(1, rng.uniform(0.62, 1.0))
    start = np.array(middle) + size * upright * np.array((-math.sin(lean), math.cos(lean)))
    aside = rng.uniform(-0.6, 0.6) * size - 60 * lean * scene.unit
    end = np.array([start[0] + aside, max(rows, start[1]) + 0.1 * size])
    bow = (start + end) / 2 + (rng.uniform(-0.3, 0.3) * size - lean * 0.5 * size, 0)
    t = np.linspace(0, 1, 14)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bow + t**2 * end
    paint_stem(scene, np.eye(3), curve, size * rng.uniform(0.07, 0.11))
    slender = rng.uniform(0.14, 0.28) if upright else rng.uniform(0.3, 0.55)
    leaf = make_leaf(scene, size * rng.uniform(0.9, 1.6), size * slender * 1.3)
    for _ in range(int(rng.integers(1, 5))):
        at = curve[int(rng.integers(4, 14))]
        angle = UP + rng.choice((-1, 1)) * rng.uniform(0.3, 1.3)
        leaf.paint(scene, np.eye(3), at, angle, stretch=rng.uniform(0.7, 1.1, 2), gain=rng.uniform(0.8, 1.1))
    PAINTERS[kind](scene, view, size, colour)
