"""Folders of files: what is listed, what it is called, and on which side of a split it falls."""

import os
from collections import Counter
from pathlib import Path

import pytest

from inferlab.datasets import folders
from inferlab.errors import Problem


def touch(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()


def listed(top: Path) -> list[str]:
    return [os.path.relpath(path, top) for path in folders.list_files(top)]


def test_files_are_sorted_by_name_and_absolute(tmp_path, monkeypatch):
    touch(tmp_path, "b/2.jpg", "b/10.jpg", "a/z.png", "c.webp", "a/deep/er/y.jpeg")
    assert listed(tmp_path) == sorted(["a/deep/er/y.jpeg", "a/z.png", "b/10.jpg", "b/2.jpg", "c.webp"])
    monkeypatch.chdir(tmp_path.parent)
    assert folders.list_files(tmp_path.name) == folders.list_files(tmp_path)


def test_endings_count_in_any_case(tmp_path):
    touch(tmp_path, "A.JPG", "b.Png", "c.txt", "jpg")
    assert listed(tmp_path) == ["A.JPG", "b.Png"]


def test_hidden_files_and_those_with_an_underscore_are_left_out_at_every_depth(tmp_path):
    touch(tmp_path, "a.jpg", ".b.jpg", "_c.jpg", ".git/d.jpg", "_temporary/0/e.jpg", "f/.g.jpg", "h/_i/j.jpg")
    assert listed(tmp_path) == ["a.jpg"]


def test_hidden_folders_above_the_one_that_was_named_do_not_matter(tmp_path):
    touch(tmp_path, ".cache/_flowers/a.jpg")
    assert listed(tmp_path / ".cache" / "_flowers") == ["a.jpg"]


def test_names_are_passed_on_as_they_are(tmp_path):
    names = sorted(["two words.jpg", "50%25.jpg", "größe 花.jpg", "a\nb.jpg"])
    touch(tmp_path, *names)
    assert listed(tmp_path) == names


def test_what_is_listed_can_be_chosen(tmp_path):
    touch(tmp_path, "a.jpg", "b.wav")
    assert [Path(path).name for path in folders.list_files(tmp_path, [".wav"])] == ["b.wav"]


@pytest.mark.parametrize(
    ("names", "folder", "what", "cure"),
    [
        ([], "gone", "There is no folder .*gone", "inferlab data make"),
        (["file.jpg"], "file.jpg", "There is no folder", "inferlab data make"),
        ([], ".", "holds nothing", "Name a folder of images"),
        (["a.txt", "b/c.gif"], ".", r"holds 2 other files, and no file that ends with \.jpg", "Name a folder of images"),
        (["_a.jpg"], ".", "holds nothing", "Name a folder of images"),
    ],
)
def test_a_folder_without_images_is_a_problem_with_a_cure(tmp_path, names, folder, what, cure):
    touch(tmp_path, *names)
    with pytest.raises(Problem, match=what) as caught:
        folders.list_files(tmp_path / folder)
    assert cure in caught.value.cure


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_cannot_be_listed_is_a_problem(tmp_path):
    touch(tmp_path, "a.jpg", "secret/b.jpg")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(Problem, match="secret cannot be listed"):
        folders.list_files(tmp_path)


@pytest.mark.parametrize(
    ("path", "rule", "label"),
    [
        ("/data/rose/rose_1.jpg", "folder", "rose"),
        ("/data/two words 花/1.jpg", "folder", "two words 花"),
        ("/data/x/7_jackson_0.wav", r"(\d)_", "7"),
        ("/data/x/cat.12.jpg", r"^(cat|dog)\.", "cat"),
    ],
)
def test_labels_come_from_the_folder_or_from_the_name(path, rule, label):
    assert folders.label(path, rule) == label


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("(", "is not a regular expression"),
        (r"\d", "finds no label"),  # no group
        (r"(dog)", "finds no label"),  # no match
        (r"(dog)?cat", "finds no label"),  # a match, and no label in it
    ],
)
def test_a_rule_that_finds_no_label_is_a_problem(rule, what):
    with pytest.raises(Problem, match=what) as caught:
        folders.label("/data/x/cat.1.jpg", rule)
    assert "group" in caught.value.cure


def test_a_split_is_about_seventy_twenty_ten():
    found = Counter(folders.split(f"/data/class_{n % 7}/image_{n:05}.jpg", "/data") for n in range(10_000))
    assert found.keys() == folders.SPLITS.keys()
    for name, percent in folders.SPLITS.items():
        assert abs(found[name] - 100 * percent) < 150


def test_a_split_is_for_ever():
    # Written down once: a change of these moves images from the held-out part into training.
    found = [folders.split(f"/data/rose/rose_{n:05}.jpg", "/data") for n in range(30)]
    assert [n for n in range(30) if found[n] == "validation"] == [6, 8, 11, 14, 16]
    assert [n for n in range(30) if found[n] == "test"] == [15, 20]


def test_a_split_does_not_depend_on_where_the_folder_lies(monkeypatch):
    monkeypatch.chdir("/tmp")
    for n in range(200):
        name = f"größe/{n} %.jpg"
        first = folders.split(f"/data/{name}", "/data")
        assert folders.split(f"/mnt/other place/{name}", Path("/mnt/other place")) == first
        assert folders.split(f"/tmp/here/{name}", "here") == first


def test_a_name_that_is_no_unicode_has_a_split():
    assert folders.split(os.fsdecode(b"/data/\xff.jpg"), "/data") in folders.SPLITS


@pytest.mark.parametrize(
    ("files", "rows", "expected"),
    [
        ("abc", 3, "abc"),
        ("abc", 7, "abcabca"),
        ("abcdefghij", 5, "acegi"),
        ("abc", 1, "a"),
        ("abc", 0, ""),
    ],
)
def test_files_are_repeated_or_spread_to_the_number_of_rows(files, rows, expected):
    assert folders.repeated(list(files), rows) == list(expected)
