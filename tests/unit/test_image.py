"""One decoder for whatever is called an image: the right pixels, or a reason, and never an exception."""

import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from inferlab.datasets import corrupt
from inferlab.media import REASONS, Rejected, image

SIDE = 64
ORIENTATION = 0x0112  # the EXIF tag


def smooth(width: int = 240, height: int = 180) -> np.ndarray:
    """Red grows to the right, green downwards, blue is even: what is turned or swapped is seen at once."""
    x, y = np.meshgrid(np.linspace(20, 235, width), np.linspace(20, 235, height))
    return np.stack([x, y, np.full_like(x, 90)], axis=-1).astype(np.uint8)


def encode(pixels, form: str = "JPEG", mode: str = "RGB", **options) -> bytes:
    target = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.convert(mode).save(target, form, **options)
    return target.getvalue()


def by_pillow(content: bytes, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BOX), np.int16)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found.astype(np.int16) - expected).max())


def turned(form: str, orientation: int, **options) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode(smooth(), form, exif=exif.tobytes(), **options)


FORMS = {
    "jpeg": lambda: encode(smooth(), quality=95),
    "progressive jpeg": lambda: encode(smooth(), quality=95, progressive=True),
    "jpeg with a restart marker in each row": lambda: encode(smooth(), quality=95, restart_marker_rows=1),
    "grey jpeg": lambda: encode(smooth(), mode="L", quality=95),
    "cmyk jpeg": lambda: encode(smooth(), mode="CMYK", quality=95),
    "png": lambda: encode(smooth(), "PNG"),
    "png with alpha": lambda: encode(smooth(), "PNG", "RGBA"),
    "palette png": lambda: encode(Image.fromarray(smooth()).quantize(256), "PNG", "P"),
    "grey png": lambda: encode(smooth(), "PNG", "L"),
    "black and white png": lambda: encode(np.tile(np.repeat(np.uint8([0, 255]), 120), (180, 1)), "PNG", "1"),
    "lossy webp": lambda: encode(smooth(), "WEBP", quality=95),
    "lossless webp": lambda: encode(smooth(), "WEBP", lossless=True),
    "webp with alpha": lambda: encode(smooth(), "WEBP", "RGBA", lossless=True),
    "lossy webp with alpha": lambda: encode(
        Image.merge("RGBA", [*Image.fromarray(smooth()).split(), Image.new("L", (240, 180), 200)]), "WEBP", "RGBA"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_pixels_are_those_that_pillow_finds(form):
    content = FORMS[form]()
    pixels = image.decode(content, SIDE, SIDE)
    assert not isinstance(pixels, Rejected), pixels
    assert pixels.shape == (SIDE, SIDE, 3)
    assert pixels.dtype == np.uint8
    assert difference(pixels, by_pillow(content)) <= 10


def test_sixteen_bits_a_channel_become_eight():
    pixels = cv2.imencode(".png", smooth()[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert difference(image.decode(pixels, SIDE, SIDE), by_pillow(encode(smooth(), "PNG"))) <= 6


@pytest.mark.parametrize("size", [(240, 180), (500, 375), (1300, 975), (2400, 1800)])
def test_large_jpegs_that_are_decoded_reduced_look_as_pillow_sees_them(size):
    content = encode(smooth(*size), quality=95)
    assert difference(image.decode(content, SIDE, SIDE), by_pillow(content)) <= 8


def test_height_comes_before_width():
    content = encode(smooth(), "PNG")
    pixels = image.decode(content, 30, 50)
    assert pixels.shape == (30, 50, 3)
    assert difference(pixels, by_pillow(content, width=50, height=30)) <= 8


def test_a_jpeg_is_never_decoded_to_less_than_what_is_wanted():
    stripes = np.tile(np.repeat(np.uint8([0, 255]), 4), (400, 50))  # of 400 pixels, they are lost at an eighth
    content = encode(np.stack([stripes] * 3, axis=-1), quality=95)
    for height, width in ((50, 200), (200, 50)):
        pixels = image.decode(content if width > height else turned_once(content), height, width)
        assert pixels.max() > 200
        assert pixels.min() < 50


def turned_once(content: bytes) -> bytes:
    return encode(Image.open(io.BytesIO(content)).transpose(Image.Transpose.ROTATE_90), quality=95)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_taken_sideways_is_turned_upright(form):
    upright = np.rot90(smooth(), k=-1)  # orientation 6: the camera was held a quarter turn to the left
    pixels = image.decode(turned(form, 6), SIDE, SIDE)
    assert difference(pixels, by_pillow(encode(upright, "PNG"))) <= 10


def test_a_large_jpeg_taken_sideways_is_turned_upright_when_it_is_decoded_reduced():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = encode(smooth(1600, 400), exif=exif.tobytes(), quality=95)
    upright = encode(np.rot90(smooth(1600, 400), k=-1), "PNG")
    pixels = image.decode(content, 200, 50)
    assert difference(pixels, by_pillow(upright, width=50, height=200)) <= 10


def test_a_broken_exif_segment_does_not_matter():
    content = encode(smooth(), quality=95)
    pixels = image.decode(corrupt.break_jpeg("bad_exif", content), SIDE, SIDE)
    assert np.array_equal(pixels, image.decode(content, SIDE, SIDE))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_one_pixel_is_enough(form, size):
    pixels = image.decode(encode(np.full((size[1], size[0], 3), 200, np.uint8), form), SIDE, SIDE)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert difference(pixels, np.full(pixels.shape, 200, np.int16)) <= 3


def test_out_is_filled_and_is_what_is_returned():
    batch = np.zeros((3, SIDE, SIDE, 3), np.uint8)
    content = encode(smooth())
    returned = image.decode(content, SIDE, SIDE, batch[1])
    assert np.shares_memory(returned, batch)
    assert np.array_equal(batch[1], image.decode(content, SIDE, SIDE))
    assert not batch[[0, 2]].any()


def test_out_is_filled_when_the_image_has_the_size_of_the_model_already():
    out = np.zeros((SIDE, SIDE, 3), np.uint8)
    image.decode(encode(smooth(SIDE, SIDE), "PNG"), SIDE, SIDE, out)
    assert np.array_equal(out, smooth(SIDE, SIDE))


@pytest.mark.parametrize("form", ["jpeg", "progressive jpeg", "jpeg with a restart marker in each row"])
def test_a_jpeg_cut_anywhere_is_rejected(form):
    content = FORMS[form]()
    assert isinstance(image.inspect(content), image.Header)
    for end in range(3, len(content)):
        found = image.inspect(content[:end])
        assert isinstance(found, Rejected), f"cut after {end} of {len(content)} bytes: {found}"
        assert found.reason == "truncated"


@pytest.mark.parametrize("form", ["png", "palette png", "lossy webp", "lossless webp", "webp with alpha"])
def test_a_png_or_webp_cut_anywhere_is_rejected(form):
    content = FORMS[form]()
    for end in range(12, len(content) - 4):  # the last four bytes of a PNG are a checksum of nothing
        found = image.inspect(content[:end])
        assert isinstance(found, Rejected), f"cut after {end} of {len(content)} bytes: {found}"
        assert found.reason == "truncated"


def test_the_thumbnail_in_a_truncated_jpeg_does_not_pass_for_its_end():
    thumbnail = encode(smooth(40, 30))
    assert thumbnail.endswith(b"\xff\xd9")
    segment = b"Exif\0\0" + thumbnail
    whole = encode(smooth())
    whole = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + whole[2:]
    assert image.decode(whole, SIDE, SIDE).shape == (SIDE, SIDE, 3)
    for end in range(len(segment), len(whole), 7):
        found = image.decode(whole[:end], SIDE, SIDE)
        assert isinstance(found, Rejected), end
        assert found.reason == "truncated"


def test_what_follows_the_end_of_a_jpeg_does_not_matter():
    content = encode(smooth())  # telephones append depth maps and films
    assert np.array_equal(image.decode(content + bytes(range(256)) * 40, SIDE, SIDE), image.decode(content, SIDE, SIDE))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>Not Found</body></html>", "not_an_image"),
        (b"GIF89a" + bytes(100), "not_an_image"),
        (b"BM" + bytes(100), "not_an_image"),
        (b"\xff", "not_an_image"),
        (b"\xff\xd8", "not_an_image"),
        (b"RIFF\x10\0\0\0WAVEfmt " + bytes(40), "not_an_image"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"RIFF\x10\0\0\0WEBP", "truncated"),
        (b"\xff\xd8\xff\xd9" + bytes(20), "undecodable"),
        (b"\xff\xd8\xff\xda\0\x02" + bytes(20) + b"\xff\xd9", "undecodable"),
        (b"RIFF\x20\0\0\0WEBPVP9 " + bytes(40), "undecodable"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100) + b"IEND\xae\x42\x60\x82", "undecodable"),
    ],
)
def test_what_is_no_image_is_rejected_with_its_reason(content, reason):
    found = image.decode(content, SIDE, SIDE)
    assert isinstance(found, Rejected)
    assert found.reason == reason
    assert found.detail


def test_random_bytes_are_rejected():
    random = np.random.default_rng(1)
    for size in (1, 2, 3, 11, 12, 29, 30, 33, 1000, 100_000):
        assert image.decode(random.bytes(size), SIDE, SIDE).reason == "not_an_image"


def png_that_announces(width: int, height: int) -> bytes:
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg_that_announces(width: int, height: int) -> bytes:
    content = bytearray(encode(smooth()))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda: png_that_announces(30_000, 30_000), id="png"),
        pytest.param(lambda: png_that_announces(2**31 - 1, 2**31 - 1), id="largest png"),
        pytest.param(lambda: jpeg_that_announces(65_500, 65_500), id="jpeg"),
        pytest.param(lambda: corrupt.break_jpeg("bomb", encode(smooth())), id="planted bomb"),
    ],
)
def test_a_decompression_bomb_is_rejected_by_its_header(content):
    content = content()
    started = time.perf_counter()
    found = image.decode(content, SIDE, SIDE)
    assert time.perf_counter() - started < 0.1  # decoding it would take seconds and gigabytes
    assert found.reason == "too_many_pixels"
    assert "64,000,000" in found.detail


def test_as_many_pixels_as_are_allowed_are_allowed():
    assert image.inspect(png_that_announces(8000, 8000)) == ("png", 8000, 8000)
    assert image.inspect(png_that_announces(8000, 8001)).reason == "too_many_pixels"


@pytest.mark.parametrize("form", FORMS)
def test_the_header_tells_the_size(form):
    found = image.inspect(FORMS[form]())
    assert (found.width, found.height) == (240, 180)
    assert found.format in form


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("no 192 MB"), cv2.error("")])
def test_a_decoder_without_memory_is_a_rejection(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(cv2, "imdecode", fail)
    assert image.decode(encode(smooth()), SIDE, SIDE).reason == "undecodable"


@pytest.mark.parametrize("form", ["jpeg", "progressive jpeg", "png", "palette png", "lossy webp", "lossless webp"])
def test_three_hundred_damaged_files_raise_nothing(form):
    whole, random = FORMS[form](), np.random.default_rng(3)
    for trial in range(300):
        damaged = np.frombuffer(whole, np.uint8).copy()
        # Half of the trials hit the header, where lengths and sizes are.
        reach = len(damaged) if trial % 2 else min(200, len(damaged))
        damaged[random.integers(0, reach, random.integers(1, 6))] = random.integers(0, 256)
        found = image.decode(damaged.tobytes(), SIDE, SIDE)
        if isinstance(found, Rejected):
            assert found.reason in REASONS
            assert found.detail
        else:
            assert found.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("kind", corrupt.KINDS)
def test_what_is_planted_is_found(kind):
    found = image.decode(corrupt.break_jpeg(kind, encode(smooth())), SIDE, SIDE)
    expected = corrupt.KINDS[kind]
    assert isinstance(found, Rejected) == (expected.expect == "rejected")
    if isinstance(found, Rejected):
        assert found.reason == expected.reason
