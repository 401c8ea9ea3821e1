"""Breaks good pictures in known ways, to prove that a run survives files as they are found in the field.

Knows nine kinds of odd file, how to make each from a good JPEG, and what a reader must do with it: score it or
reject it with a reason. Does not know how a picture is drawn, nor where its file lies.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

BOMB_SIDE = 30_000  # pixels; 900 million of them, five times what Pillow refuses and more memory than a worker has


@dataclass(frozen=True)
class Breakage:
    """One kind of odd file: how to make it, the suffix of its name, and what is to become of it."""

    make: Callable[[bytes], bytes]
    suffix: str
    expect: str
    reason: str | None


def choose_files(count: int, share: float, seed: int) -> dict[int, str]:
    """Choose which of `count` files are to be broken and how: {index of the file: kind}, empty for `share` 0.

    At least one file is chosen for any `share` above 0. The kinds come in the order of `KINDS` along the chosen
    indices in drawing order, so that even four files hold every rejected kind.
    """
    if not share:
        return {}
    wanted = max(1, round(count * share))
    # The second number keeps these draws apart from those of the pictures, which are seeded with (seed, index).
    chosen = np.random.default_rng([seed, 2**32, count]).choice(count, wanted, replace=False)
    return {int(index): tuple(KINDS)[number % len(KINDS)] for number, index in enumerate(chosen)}


def break_jpeg(kind: str, jpeg: bytes) -> bytes:
    """Return the bytes of the odd file of `kind` made from a good JPEG. Raises KeyError for an unknown kind."""
    return KINDS[kind].make(jpeg)


def _truncate(jpeg: bytes) -> bytes:
    # The scan starts at the marker FF DA: a cut behind it leaves a header that promises more than there is.
    scan = jpeg.index(b"\xff\xda")
    return jpeg[: (scan + len(jpeg)) // 2]


def _html(_jpeg: bytes) -> bytes:
    return b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n"


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    # One bit per pixel: the rows are 112 MB of zeros, which deflate to about a thousandth of that.
    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    rows = bytes(1000 * (1 + BOMB_SIDE // 8))  # each row starts with its filter byte
    deflate = zlib.compressobj(9)
    data = b"".join([deflate.compress(rows) for _ in range(BOMB_SIDE // 1000)]) + deflate.flush()
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _bad_exif(jpeg: bytes) -> bytes:
    # A little-endian TIFF header whose first directory lies at 4 GB, and entries of no known type.
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 0xFFFFFFF0) + b"\xde\xad\xbe\xef" * 8
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _cmyk(jpeg: bytes) -> bytes:
    target = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).convert("CMYK").save(target, "JPEG", quality=88)
    return target.getvalue()


def _encode(suffix: str, picture: np.ndarray) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def _decode(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def _sixteen_bit(jpeg: bytes) -> bytes:
    return _encode(".png", _decode(jpeg).astype(np.uint16) * 257)  # 255 becomes 65535


KINDS = {
    "empty": Breakage(lambda _jpeg: b"", ".jpg", "rejected", "empty"),
    "truncated": Breakage(_truncate, ".jpg", "rejected", "truncated"),
    "html": Breakage(_html, ".jpg", "rejected", "not_an_image"),
    "bomb": Breakage(lambda _jpeg: _bomb(), ".png", "rejected", "too_many_pixels"),
    "wrong_extension": Breakage(lambda jpeg: _encode(".png", _decode(jpeg)), ".jpg", "scored", None),
    "bad_exif": Breakage(_bad_exif, ".jpg", "scored", None),
    "cmyk": Breakage(_cmyk, ".jpg", "scored", None),
    "sixteen_bit": Breakage(_sixteen_bit, ".png", "scored", None),
    "one_pixel": Breakage(lambda jpeg: _encode(".jpg", _decode(jpeg)[:1, :1]), ".jpg", "scored", None),
}
