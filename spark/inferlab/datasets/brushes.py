"""The means of painting: a scene to paint on, stamps to paint with, petals and leaves as stamps.

Knows how a petal is shaped, how it catches light, and how it is laid onto a canvas. Does not know what a flower is.

Everything is a *stamp*: a small uint8 image of four channels, laid onto the scene through an affine matrix. The
first three channels are what it adds (blue, green, red, already multiplied by its opacity), the fourth is how much
of the scene it lets through; a soft shadow around the shape lets less through and adds nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

UP = -math.pi / 2  # angles are radians from +x, clockwise on a screen, since y points down


@dataclass
class Scene:
    """What is being painted: a uint8 canvas (height, width, 3), where the light is, and how long one unit is."""

    rng: np.random.Generator
    canvas: np.ndarray
    light: float
    unit: float

    def stamp(self, sprite: np.ndarray, matrix: np.ndarray, gain: float = 1.0) -> None:
        """Lay `sprite` (uint8, h x w x 4) onto the canvas through the 3 x 3 affine `matrix`, `gain` times as bright."""
        height, width = sprite.shape[:2]
        corners = matrix[:2] @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
        rows, columns = self.canvas.shape[:2]
        left, top = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
        right, bottom = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 1, (columns, rows))
        if right <= left or bottom <= top:
            return
        moved = matrix[:2].copy()
        moved[:, 2] -= (left, top)
        extent = (int(right - left), int(bottom - top))
        warped = cv2.warpAffine(sprite, moved, extent, flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 255))
        window = self.canvas[top:bottom, left:right]
        # OpenCV on bytes: a picture has about seventy stamps, and the same in numpy floats takes four times as long.
        through = cv2.cvtColor(cv2.extractChannel(warped, 3), cv2.COLOR_GRAY2BGR)
        behind = cv2.multiply(window, through, scale=1 / 255)
        window[:] = cv2.addWeighted(behind, 1, cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR), gain, 0)


@dataclass
class Petal:
    """One petal or leaf lying along +x, lit from one side, evenly, and from the other side (three stamps)."""

    stamps: list[np.ndarray]
    margin: int

    def paint(self, scene: Scene, view: np.ndarray, at, angle: float, *, stretch=(1.0, 1.0), gain=1.0) -> None:
        """Paint the petal with its root `at` (x, y), pointing to `angle`.

        Both are in the flower's own plane, which the 3 x 3 matrix `view` tilts and moves onto the canvas.
        `stretch` is a factor of (length, width), `gain` one of brightness.
        """
        towards_light = math.cos(angle - scene.light)
        across = -math.sin(angle - scene.light)
        sprite = self.stamps[round(across + 1)]
        centre = sprite.shape[0] / 2
        place = shift(*at) @ turn(angle) @ scale(*stretch) @ shift(-self.margin, -centre)
        scene.stamp(sprite, view @ place, gain * (1 + 0.13 * towards_light))


def shift(x: float, y: float) -> np.ndarray:
    """Return the 3 x 3 matrix that moves by (x, y) pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def scale(x: float, y: float) -> np.ndarray:
    """Return the 3 x 3 matrix that stretches by x and y."""
    return np.diag([x, y, 1.0])


def turn(angle: float) -> np.ndarray:
    """Return the 3 x 3 matrix that turns by `angle` radians, clockwise on a screen."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """Return smooth float32 noise of `shape` in about -1..1 with `cells` independent values."""
    return cv2.resize(rng.uniform(-1, 1, cells).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)


def make_petal(
    rng: np.random.Generator,
    size: tuple[float, float],
    colours,
    outline: tuple[float, float, float],
    *,
    rim: float = 0.0,
    rib: float = 0.0,
    soft: float = 0.0,
    depth: float = 0.35,
    fade: int = 2,
) -> Petal:
    """Shape and shade one petal or leaf.

    `size` is (length, width) in pixels, `colours` those of the root and the tip. `outline` = (a, b, c) is the half
    width along the petal, u**a * (1 - u**b)**c: a small a makes a broad root, c below 1 a round tip, above 1 a
    pointed one.
    `rim` brightens the edge (rolled petals), `rib` darkens a middle line (leaves), `soft` blurs (out of focus).
    `depth` says how dark the root is, `fade` how fast that fades towards the tip.
    """
    length, width = size
    root, tip = (np.float32(colour) for colour in colours)
    margin = int(3 + 0.05 * length + 3 * soft)
    u = ((np.arange(int(length) + 2 * margin, dtype=np.float32) - margin) / length)[None, :]
    across = (np.arange(int(width) + 2 * margin, dtype=np.float32) - margin - width / 2 + 0.5)[:, None]
    inside = np.clip(u, 1e-4, 1 - 1e-4)
    profile = inside ** outline[0] * (1 - inside ** outline[1]) ** outline[2]
    half = profile / profile.max() * width / 2 * (1 + 0.04 * noise(rng, (1, u.size), (1, 8)))
    half = np.where((u > 0) & (u < 1), half, 0)
    side = np.clip(across / np.maximum(half, 0.5), -1, 1)
    alpha = np.clip(half - np.abs(across) + 0.5, 0, 1).astype(np.float32)
    veins = noise(rng, (across.size, u.size), (max(4, int(width / 5)), 3))
    shade = 1 - depth * (1 - inside) ** fade - 0.16 * side**2 + 0.07 * veins + rim * np.abs(side) ** 4 + rim * inside**8
    shade = shade - rib * np.exp(-((across / (0.035 * width + 0.7)) ** 2))
    colour = root + (tip - root) * (inside**0.9)[..., None]
    through = let_through(alpha, 1 + margin / 5)
    tones = [(shade + lit * side) * alpha for lit in (-0.2, 0.0, 0.2)]
    stamps = [make_stamp(colour * tone[..., None], through) for tone in tones]
    if soft:
        stamps = [cv2.GaussianBlur(stamp, (0, 0), soft, borderType=cv2.BORDER_REPLICATE) for stamp in stamps]
    return Petal(stamps, margin)


def let_through(alpha: np.ndarray, spread: float) -> np.ndarray:
    """Return how much (0..1) is seen through a shape of opacity `alpha` and its shadow, `spread` pixels wide."""
    return (1 - alpha) * (1 - 0.42 * cv2.GaussianBlur(alpha, (0, 0), spread))


def make_stamp(added: np.ndarray, through: np.ndarray) -> np.ndarray:
    """Return the stamp that adds `added` (h x w x 3, 0..255) to what `through` (h x w, 0..1) leaves of the scene."""
    stamp = np.empty((*through.shape, 4), np.uint8)
    stamp[..., :3] = np.clip(added, 0, 255)
    stamp[..., 3] = through * 255
    return stamp


def vary(rng: np.random.Generator, colour, amount: float = 8) -> np.ndarray:
    """Return a colour near `colour` (float32, 0..255), lighter or darker and `amount` away in hue."""
    return np.clip(np.float32(colour) * rng.normal(1, 0.05) + rng.normal(0, amount, 3), 8, 250).astype(np.float32)
