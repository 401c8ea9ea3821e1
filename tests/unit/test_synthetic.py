"""Pictures from a seed: the same bytes for the same request, and never mixed with what is not ours."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from tqdm import tqdm

from inferlab.datasets import synthetic
from inferlab.datasets.scenery import draw_picture
from inferlab.datasets.synthetic import CLASSES, MANIFEST, make_flowers
from inferlab.errors import Problem

SMALL = (96, 72)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*"))}


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> Path:
    """Thirty pictures as they are made when nothing is said about their size."""
    folder = tmp_path_factory.mktemp("usual")
    make_flowers(folder, 30, progress=False)
    return folder


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    make_flowers(tmp_path / "a", 10, SMALL, seed=3, progress=False)
    make_flowers(tmp_path / "b", 10, SMALL, seed=3, progress=False)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_gives_other_bytes(tmp_path):
    make_flowers(tmp_path / "a", 5, SMALL, seed=3, progress=False)
    make_flowers(tmp_path / "b", 5, SMALL, seed=4, progress=False)
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


def test_a_file_depends_neither_on_the_count_nor_on_the_number_of_processes(tmp_path, monkeypatch):
    make_flowers(tmp_path / "few", 10, SMALL, progress=False)
    monkeypatch.setattr(synthetic, "FILES_PER_WORKER", 10)
    monkeypatch.setattr(synthetic.os, "sched_getaffinity", lambda _process: {0, 1, 2}, raising=False)
    make_flowers(tmp_path / "many", 30, SMALL, progress=False)
    few, many = contents(tmp_path / "few"), contents(tmp_path / "many")
    assert len(many) == 30
    assert few.items() <= many.items()


def test_workers_that_fail_say_why(tmp_path):
    job = {"folder": str(tmp_path / "nowhere"), "size": SMALL, "seed": 7, "files": [(0, None)]}
    with pytest.raises(Problem, match="The drawing stopped: FileNotFoundError"):
        synthetic.run_workers([job], tqdm(disable=True))


def test_a_disk_that_fails_is_a_problem(tmp_path, monkeypatch):
    def fail(_path, _content):
        raise OSError(28, "No space left on device")

    make_flowers(tmp_path, 5, SMALL, progress=False)
    (tmp_path / "rose" / "rose_00002.jpg").unlink()
    monkeypatch.setattr(synthetic, "write_file", fail)
    with pytest.raises(Problem, match="No space left"):
        make_flowers(tmp_path, 5, SMALL, progress=False)


def test_classes_are_balanced_and_files_are_named_after_them(usual):
    paths = [path.relative_to(usual) for path in usual.glob("*/*.jpg")]
    assert Counter(path.parts[0] for path in paths) == dict.fromkeys(CLASSES, 6)
    assert (usual / "daisy" / "daisy_00001.jpg").is_file()
    for path in paths:
        name, number = path.stem.split("_")
        assert path.parts[0] == name == CLASSES[int(number) % 5]


def test_files_are_as_large_as_a_cameras(usual):
    for path in usual.glob("*/*.jpg"):
        assert 30_000 <= path.stat().st_size <= 60_000, path
        assert cv2.imread(str(path)).shape == (375, 500, 3)


def test_the_manifest_tells_the_truth_and_is_what_is_returned(usual):
    manifest = json.loads((usual / MANIFEST).read_text())
    expected = {"seed": 7, "size": [500, 375], "count": 30, "corrupt": 0.0, "classes": list(CLASSES), "planted": []}
    assert manifest == expected
    assert make_flowers(usual, 30, progress=False) == expected


def test_a_second_call_touches_nothing(usual):
    def times():
        return {path: path.stat().st_mtime_ns for path in usual.rglob("*")}

    before = times()
    make_flowers(usual, 30, progress=False)
    assert times() == before


def test_an_interrupted_call_is_completed(tmp_path):
    make_flowers(tmp_path, 10, SMALL, progress=False)
    whole = contents(tmp_path)
    (tmp_path / "rose" / "rose_00002.jpg").unlink()
    make_flowers(tmp_path, 10, SMALL, progress=False)
    assert contents(tmp_path) == whole


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(Problem, match="holds other things"):
        make_flowers(tmp_path, 5, SMALL, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_folder_of_another_request_is_refused(usual):
    with pytest.raises(Problem, match="another request"):
        make_flowers(usual, 31, progress=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"count": 0}, "number of pictures"),
        ({"count": 5, "corrupt": 1.0}, "share"),
        ({"count": 5, "corrupt": -0.1}, "share"),
        ({"count": 5, "size": (500, 31)}, "too small"),
        ({"count": 5, "seed": -1}, "seed"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(tmp_path, arguments, said):
    with pytest.raises(Problem, match=said) as caught:
        make_flowers(tmp_path / "new", progress=False, **arguments)
    assert caught.value.cure.endswith(".")
    assert not (tmp_path / "new").exists()


def test_nothing_is_drawn_on_a_stderr_that_is_no_terminal(tmp_path, capfd):
    make_flowers(tmp_path, 5, SMALL)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("size", [(32, 32), (33, 200), (640, 480)])
def test_every_kind_can_be_drawn_in_any_size(kind, size):
    for seed in range(3):
        picture = draw_picture(np.random.default_rng(seed), kind, size)
        assert picture.shape == (size[1], size[0], 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 5
