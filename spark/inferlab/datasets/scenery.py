"""Composes one picture: what is far away, the flower in focus, what is in front, then what a camera adds.

Knows backgrounds, depth of field, light and sensor noise. Does not know how a flower is built (`flowers`),
nor about files and JPEG (`synthetic`).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from .brushes import UP, Scene, noise, vary
from .flowers import COLOURS, HABITS, make_leaf, paint_plant


def draw_picture(rng: np.random.Generator, kind: str, size: tuple[int, int] = (500, 375)) -> np.ndarray:
    """Draw one picture of a flower of `kind`.

    `size` is (width, height) in pixels. Returns uint8, (height, width, 3), blue-green-red as OpenCV has it.
    The same state of `rng` gives the same picture.
    """
    width, height = size
    unit = min(width, height) / 375
    light = rng.uniform(UP - 1.2, UP + 1.2)
    colour = vary(rng, COLOURS[rng.choice(HABITS[kind])])
    far = Scene(rng, paint_backdrop(rng, ((height + 1) // 2, (width + 1) // 2)), light, unit / 2)
    paint_neighbours(far, kind, colour)
    blur = rng.uniform(1.2, 4.5) * unit
    distance = cv2.GaussianBlur(far.canvas, (0, 0), max(0.3, blur))
    near = Scene(rng, cv2.resize(distance, size, interpolation=cv2.INTER_CUBIC), light, unit)
    radius = rng.uniform(62, 150) * unit
    middle = (rng.uniform(0.25, 0.75) * width, rng.uniform(0.3, 0.66) * height)
    paint_plant(near, kind, middle, radius, colour)
    if rng.random() < 0.55:
        paint_foreground(near)
    return develop(near)


def paint_backdrop(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return what is far behind (uint8, shape + (3,)): sky, greenery with light spots, soil, or a wall."""
    kind = rng.choice(("sky", "greenery", "soil", "wall"), p=(0.22, 0.42, 0.16, 0.2))
    height, width = shape
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rough = noise(rng, shape, (6, 8)) + 0.5 * noise(rng, shape, (18, 24))
    if kind == "sky":
        top, bottom = vary(rng, (215, 160, 105), 10), vary(rng, (235, 215, 190))
        picture = top + (bottom - top) * down + 26 * np.clip(rough, 0, 1)[..., None]
    elif kind == "greenery":
        picture = vary(rng, (52, 105, 78), 12) * rng.uniform(0.5, 1.3) * (1 + 0.45 * rough)[..., None]
        picture = picture * (1.25 - 0.5 * down) + 12 * noise(rng, shape, (5, 7))[..., None] * np.float32((0, 1, 2))
    elif kind == "soil":
        rough = rough + 0.7 * noise(rng, shape, (70, 90))
        picture = vary(rng, (55, 80, 108)) * rng.uniform(0.6, 1.2) * (1 + 0.3 * rough)[..., None]
    else:
        picture = vary(rng, (165, 185, 205), 13) * rng.uniform(0.55, 1.1) * (1 + 0.06 * rough)[..., None]
        picture = picture * (1 - 0.25 * np.linspace(0, rng.uniform(-1, 1), width, dtype=np.float32)[None, :, None])
    canvas = np.clip(picture, 0, 255).astype(np.uint8)
    return add_light_spots(rng, canvas) if kind == "greenery" else canvas


def add_light_spots(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Return `canvas` with the round out-of-focus spots that leaves in the sun leave in a photograph."""
    spots = canvas.copy()
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(6, 26))):
        where = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        tint = vary(rng, (120, 205, 190), 24)
        cv2.circle(spots, where, int(rng.integers(3, 16) * height / 188), tint.tolist(), -1, cv2.LINE_AA)
    return cv2.addWeighted(canvas, 0.6, spots, 0.4, 0)


def paint_neighbours(far: Scene, kind: str, colour: np.ndarray) -> None:
    """Paint grass and up to two flowers of the same kind behind the one in focus."""
    rng, (height, width) = far.rng, far.canvas.shape[:2]
    if rng.random() < 0.7:
        blade = make_leaf(far, rng.uniform(70, 130) * far.unit, rng.uniform(6, 12) * far.unit)
        for x in rng.uniform(0, width, int(rng.integers(8, 20))):
            blade.paint(
                far,
                np.eye(3),
                (x, height * 1.02),
                UP + rng.normal(0, 0.3),
                stretch=(rng.uniform(0.5, 1.4), 1),
                gain=rng.uniform(0.7, 1.2),
            )
    for _ in range(int(rng.choice(3, p=(0.4, 0.35, 0.25)))):
        middle = (rng.uniform(0, width), rng.uniform(0.25, 0.8) * height)
        paint_plant(far, kind, middle, rng.uniform(35, 80) * far.unit, vary(rng, colour))


def paint_foreground(near: Scene) -> None:
    """Paint one or two blades or a leaf in front of everything, out of focus; they may cross the flower."""
    rng, (height, width) = near.rng, near.canvas.shape[:2]
    for _ in range(int(rng.integers(1, 3))):
        length, breadth = rng.uniform(140, 330) * near.unit, rng.uniform(10, 34) * near.unit
        leaf = make_leaf(near, length, breadth, soft=rng.uniform(1.5, 4) * near.unit)
        leaf.paint(near, np.eye(3), (rng.uniform(0.05, 0.95) * width, height * 1.04), UP + rng.normal(0, 0.5))


def develop(scene: Scene) -> np.ndarray:
    """Return the canvas as the camera delivers it: warm or cool light, falling off to one side, and sensor noise."""
    rng, (height, width) = scene.rng, scene.canvas.shape[:2]
    warmth, exposure = rng.normal(0, 0.06), rng.uniform(0.85, 1.12)
    balance = np.float32((1 - warmth, 1, 1 + warmth)) * exposure
    # Light falls off smoothly: a few cells, enlarged, are as good as the full formula and much faster.
    x, y = np.meshgrid(np.linspace(-1, 1, 16, dtype=np.float32), np.linspace(-1, 1, 12, dtype=np.float32))
    fall_off = 1 + rng.uniform(0, 0.16) * (x * math.cos(scene.light) + y * math.sin(scene.light))
    fall_off = fall_off - rng.uniform(0.02, 0.14) * (x * x + y * y)
    gain = cv2.resize(fall_off[..., None] * balance, (width, height), interpolation=cv2.INTER_LINEAR)
    lit = cv2.multiply(scene.canvas, gain, dtype=cv2.CV_8U)
    # The sum of two bytes (standard deviation 104) looks like a normal distribution and is ten times as fast to draw.
    first, second = np.frombuffer(rng.bytes(2 * height * width), np.uint8).reshape(2, height, width)
    strength = rng.uniform(3.5, 6.0) / 104
    grain = cv2.addWeighted(first, strength, second, strength, 128 - 255 * strength)
    return cv2.addWeighted(lit, 1, cv2.cvtColor(grain, cv2.COLOR_GRAY2BGR), 1, -128)
