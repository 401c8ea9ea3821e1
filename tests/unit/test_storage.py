"""Where things lie, and that a reader never sees half of them."""

import contextlib
import resource
import stat
from pathlib import Path

import pytest

from inferlab import storage


@contextlib.contextmanager
def full_disk_after(size: int):
    """No file can grow beyond `size` bytes while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_variable_says_where_the_storage_is(tmp_path, monkeypatch):
    monkeypatch.setenv("INFERLAB_STORAGE", str(tmp_path / "else where"))
    assert storage.root() == tmp_path / "else where"
    for folder in (storage.data(), storage.models(), storage.results(), storage.scratch()):
        assert folder.parent == tmp_path / "else where"
    assert storage.scratch().is_dir()


def test_the_variable_may_be_relative_or_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFERLAB_STORAGE", "here")
    assert storage.root() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INFERLAB_STORAGE", "~/there")
    assert storage.root() == tmp_path / "there"


def test_without_the_variable_it_is_the_nearest_folder_above(tmp_path, monkeypatch):
    monkeypatch.delenv("INFERLAB_STORAGE")
    (tmp_path / "share_storages").mkdir()
    (tmp_path / "notebooks" / "solutions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "solutions")
    assert storage.root() == tmp_path / "share_storages"
    (tmp_path / "notebooks" / "share_storages").mkdir()
    assert storage.root() == tmp_path / "notebooks" / "share_storages"


@pytest.mark.parametrize("content", ["größer\n", "größer\n".encode()])
def test_a_file_is_written_with_its_folders_and_everyone_may_read_it(tmp_path, content):
    file = tmp_path / "a" / "b" / "c.json"
    storage.write_whole(file, "old and much longer than the new one")
    storage.write_whole(file, content)
    assert file.read_text("utf-8") == "größer\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert names(file.parent) == ["c.json"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    file = tmp_path / "c.json"
    storage.write_whole(file, "old")
    with full_disk_after(1000), pytest.raises(OSError, match="too large"):
        storage.write_whole(file, "x" * 100_000)
    assert file.read_text() == "old"
    assert names(tmp_path) == ["c.json"]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "models" / "flowers"
    with storage.staged_folder(target) as staging:
        (staging / "a").write_text("new")
        assert not target.exists()
        assert staging.parent == target.parent  # a rename within one file system is atomic
    assert (target / "a").read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert names(target.parent) == ["flowers"]


def test_a_folder_replaces_the_older_one_as_a_whole(tmp_path):
    target = tmp_path / "flowers"
    target.mkdir()
    (target / "only in the old one").touch()
    with storage.staged_folder(target) as staging:
        (staging / "a").touch()
        assert names(target) == ["only in the old one"]
    assert names(target) == ["a"]
    assert names(tmp_path) == ["flowers"]


def fill_half_and_raise(target: Path, error: type[BaseException]) -> None:
    with storage.staged_folder(target) as staging:
        (staging / "half").touch()
        raise error


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_older_folder(tmp_path, error):
    target = tmp_path / "flowers"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(error):
        fill_half_and_raise(target, error)
    assert names(target) == ["old"]
    assert names(tmp_path) == ["flowers"]


def test_a_block_that_fails_leaves_nothing_where_nothing_was(tmp_path):
    with pytest.raises(KeyError):
        fill_half_and_raise(tmp_path / "flowers", KeyError)
    assert names(tmp_path) == []
