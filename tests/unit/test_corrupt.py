"""Broken files: each is what it claims to be, by the judgement of Pillow and OpenCV."""

import cv2
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from inferlab.datasets.corrupt import KINDS, choose_files
from inferlab.datasets.synthetic import make_flowers

SIZE = (120, 90)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A folder in which half of 18 files are broken: {kind: (path, manifest's entry)}."""
    folder = tmp_path_factory.mktemp("planted")
    manifest = make_flowers(folder, 18, SIZE, corrupt=0.5, progress=False)
    assert sum(1 for _ in folder.glob("*/*")) == 18
    return {entry["kind"]: (folder / entry["path"], entry) for entry in manifest["planted"]}


def test_every_kind_is_planted_once_with_its_verdict(planted):
    assert planted.keys() == KINDS.keys()
    rejected = {kind: entry["reason"] for kind, (_, entry) in planted.items() if entry["expect"] == "rejected"}
    assert rejected == {
        "empty": "empty",
        "truncated": "truncated",
        "html": "not_an_image",
        "bomb": "too_many_pixels",
    }
    assert all(entry["reason"] is None for _, entry in planted.values() if entry["expect"] == "scored")


def test_empty_has_no_byte(planted):
    assert planted["empty"][0].stat().st_size == 0


def test_truncated_promises_more_than_it_holds(planted):
    with Image.open(planted["truncated"][0]) as image:
        assert image.size == SIZE
        with pytest.raises(OSError, match="truncated"):
            image.load()


def test_html_is_no_image(planted):
    path = planted["html"][0]
    assert path.suffix == ".jpg"
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert cv2.imread(str(path)) is None
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)


def test_bomb_is_small_and_valid_and_larger_than_pillow_allows(planted, monkeypatch):
    path = planted["bomb"][0]
    assert path.stat().st_size < 200_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with Image.open(path) as image:
        assert image.size == (30_000, 30_000)
        image.verify()  # the checksums of its chunks


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("kind", ["wrong_extension", "bad_exif", "cmyk", "sixteen_bit", "one_pixel"])
def test_odd_but_good_files_decode(planted, kind):
    path = planted[kind][0]
    expected = (1, 1) if kind == "one_pixel" else SIZE
    assert cv2.imread(str(path), cv2.IMREAD_COLOR).shape[1::-1] == expected
    with Image.open(path) as image:
        assert image.convert("RGB").size == expected


def test_wrong_extension_is_a_png_named_jpg(planted):
    path = planted["wrong_extension"][0]
    assert path.suffix == ".jpg"
    with Image.open(path) as image:
        assert image.format == "PNG"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_bad_exif_cannot_be_read(planted):
    path = planted["bad_exif"][0]
    assert path.read_bytes()[6:12] == b"Exif\0\0"
    with Image.open(path) as image:
        assert not dict(image.getexif())


def test_cmyk_has_four_channels(planted):
    with Image.open(planted["cmyk"][0]) as image:
        assert (image.format, image.mode) == ("JPEG", "CMYK")


def test_sixteen_bit_uses_its_bits(planted):
    path = planted["sixteen_bit"][0]
    assert path.suffix == ".png"
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint16
    assert pixels.max() > 255


def test_the_choice_is_the_seeds_and_begins_with_what_is_rejected():
    assert choose_files(1000, 0, 7) == {}
    assert list(choose_files(10, 0.01, 7).values()) == ["empty"]
    assert list(choose_files(400, 0.01, 7).values()) == ["empty", "truncated", "html", "bomb"]
    assert len(choose_files(1000, 0.03, 7)) == 30
    assert choose_files(1000, 0.03, 7) == choose_files(1000, 0.03, 7)
    assert choose_files(1000, 0.03, 7) != choose_files(1000, 0.03, 8)
