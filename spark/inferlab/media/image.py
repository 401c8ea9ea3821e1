"""Image files to pixels: the one decoder of the lab, for training and for scoring.

It looks at the structure of a file before it decodes it, because decoders are too kind and do not agree: of a truncated
JPEG, `cv2.imread` gives the missing part as grey pixels, Pillow raises, and `cv2.imdecode` gives nothing.
"""

import struct
from typing import NamedTuple

import cv2
import numpy as np

from inferlab.media import Rejected, read

MAX_PIXELS = 64_000_000  # 8000 x 8000: 192 MB decoded, about what a task of a 1 GB executor can spare
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")

cv2.setNumThreads(1)  # a worker owns one core; OpenCV's own threads would only fight with its neighbours

_PNG = b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = b"\xff\xd9"
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}  # TEM, RST0-7, SOI: markers that carry no segment
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0-15, without DHT, JPG and DAC, which share the range

_REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


class Header(NamedTuple):
    """What a file says of itself, before anything is decoded."""

    format: str
    width: int
    height: int


def decode(content: bytes, height: int, width: int, out: np.ndarray | None = None) -> np.ndarray | Rejected:
    """Decode one image file and resize it.

    content: a JPEG, PNG or WebP file of at most `MAX_PIXELS` pixels by its header
    out: where to put the pixels, uint8 (height, width, 3); a new array when None
    returns: uint8 (height, width, 3), RGB, upright by its EXIF orientation, aspect ratio not kept; or `Rejected`.
        This function raises nothing.
    """
    header = inspect(content)
    if isinstance(header, Rejected):
        return header
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), _flags(header, height, width))
        if pixels is None:
            return Rejected("undecodable", f"a {header.format} file of {len(content):,} bytes")
        # Averaging (INTER_AREA) costs 0.9 ms for 500 x 375 and bilinear 0.08 ms. A JPEG comes here reduced to less than
        # twice the size, where bilinear still sees nearly every pixel; what is much larger would alias, so average it.
        reduction = max(pixels.shape[0] / height, pixels.shape[1] / width)
        resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if reduction > 4 else cv2.INTER_LINEAR)
        return cv2.cvtColor(resized, cv2.COLOR_BGR2RGB, dst=out)
    except (cv2.error, MemoryError) as error:
        return Rejected("undecodable", (str(error).strip().splitlines() or [type(error).__name__])[-1])


def load(source: str | bytes | None, height: int, width: int, out: np.ndarray | None = None) -> np.ndarray | Rejected:
    """Read where a path is given, and decode: see `media.read` and `decode`. Nothing at all is an empty file."""
    content = read(source) if isinstance(source, str) else source or b""
    return content if isinstance(content, Rejected) else decode(content, height, width, out)


def inspect(content: bytes) -> Header | Rejected:
    """Find format and size of an image file, and whether it is whole, without decoding it.

    returns: `Header`, or `Rejected` with empty, not_an_image, truncated or too_many_pixels
    """
    if not content:
        return Rejected("empty", "0 bytes")
    if content.startswith(b"\xff\xd8\xff"):
        header = _jpeg(content)
    elif content.startswith(_PNG):
        header = _png(content)
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        header = _webp(content)
    else:
        return Rejected("not_an_image", f"begins with {bytes(content[:12])!r}")
    if isinstance(header, Header) and header.width * header.height > MAX_PIXELS:
        return Rejected("too_many_pixels", f"{header.width} x {header.height}, at most {MAX_PIXELS:,} pixels are decoded")
    return header


def _flags(header: Header, height: int, width: int) -> int:
    """How OpenCV should read: libjpeg decodes at 1/2, 1/4 or 1/8 of the size for a fraction of the work."""
    if header.format == "jpeg":
        # An EXIF rotation swaps the sides, so the reduced image must be large enough either way round.
        reduction = min(header.height, header.width) / max(height, width)
        for factor, flag in _REDUCED:
            if reduction >= factor:
                return flag
    return cv2.IMREAD_COLOR_BGR


def _jpeg(content: bytes) -> Header | Rejected:
    """Walk the segments to the scan; the image is whole when an end marker follows.

    Segment layout: ITU-T T.81, annex B. Inside the scan 0xFF is always followed by 0x00 or a restart marker, so an
    end marker found there is a real one, while the thumbnail inside an EXIF segment has one of its own before it.
    """
    position, size = 2, None
    try:
        while True:
            if content[position] != 0xFF:
                return Rejected("undecodable", f"no JPEG marker at byte {position}")
            marker = content[position + 1]
            if marker == 0xFF:  # a fill byte
                position += 1
                continue
            if marker in _WITHOUT_LENGTH:
                position += 2
                continue
            if marker == _START_OF_SCAN:
                break
            (length,) = struct.unpack_from(">H", content, position + 2)
            if marker in _FRAMES:
                height, width = struct.unpack_from(">HH", content, position + 5)
                size = Header("jpeg", width, height)
            position += 2 + length
    except (IndexError, struct.error):
        return Rejected("truncated", f"{len(content):,} bytes, and the image data has not begun")
    if content.rfind(_END_OF_IMAGE, position) < 0:
        return Rejected("truncated", f"no end-of-image marker in {len(content):,} bytes")
    return size or Rejected("undecodable", "a JPEG without a frame header")


def _png(content: bytes) -> Header | Rejected:
    if len(content) < 33 or b"IEND" not in content[-64:]:
        return Rejected("truncated", f"no IEND chunk at the end of {len(content):,} bytes")
    width, height = struct.unpack_from(">II", content, 16)
    return Header("png", width, height)


def _webp(content: bytes) -> Header | Rejected:
    """Layout: RFC 9649. The size stands in another place for each of the three kinds of first chunk."""
    announced = struct.unpack_from("<I", content, 4)[0] + 8
    if len(content) < max(announced, 30):
        return Rejected("truncated", f"{len(content):,} of {announced:,} bytes")
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    else:
        return Rejected("undecodable", f"a WebP file that begins with a chunk {kind!r}")
    return Header("webp", width, height)
