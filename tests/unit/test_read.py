"""Reading one file as a worker does: its bytes, or the reason why not."""

import os

import pytest

from inferlab.media import MAX_BYTES, REASONS, Rejected, read

NAMES = ["plain.jpg", "two words.jpg", "50% off %20.jpg", "größe-花-🌻.jpg", "a#b?c&d=e.jpg", 'it\'s "so".jpg']


def reason(path: str) -> str:
    found = read(path)
    assert isinstance(found, Rejected), found
    assert found.detail
    assert found.reason in REASONS
    return found.reason


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_a_file_is_read_whatever_its_name_and_the_form_of_its_path(tmp_path, name, scheme):
    (tmp_path / name).write_bytes(b"content")
    assert read(f"{scheme}{tmp_path / name}") == b"content"


def test_a_file_that_is_gone_has_vanished(tmp_path):
    assert reason(str(tmp_path / "gone.jpg")) == "vanished"
    assert reason(f"file:{tmp_path}/no/such/folder.jpg") == "vanished"


def test_an_empty_file_is_empty(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert reason(str(tmp_path / "empty.jpg")) == "empty"


def test_a_folder_is_unreadable(tmp_path):
    assert reason(str(tmp_path)) == "unreadable"


def test_a_path_below_a_file_is_unreadable(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert reason(str(tmp_path / "a.jpg" / "b.jpg")) == "unreadable"


def test_a_path_that_no_system_knows_is_unreadable():
    assert reason("/tmp/" + "x" * 5000) == "unreadable"
    assert reason("/tmp/zero\0byte.jpg") == "unreadable"


@pytest.mark.timeout(20)
def test_a_pipe_is_unreadable_and_does_not_hold_up_the_task(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(str(tmp_path / "pipe.jpg")) == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"content")
    (tmp_path / "secret.jpg").chmod(0)
    assert reason(str(tmp_path / "secret.jpg")) == "unreadable"


def test_a_file_that_would_fill_the_memory_is_not_loaded(tmp_path):
    with open(tmp_path / "giant.jpg", "wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no room on the disk
    assert reason(str(tmp_path / "giant.jpg")) == "too_large"


def test_a_link_is_followed_and_a_dead_one_has_vanished(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"content")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "dead.jpg").symlink_to("b.jpg")
    assert read(str(tmp_path / "link.jpg")) == b"content"
    assert reason(str(tmp_path / "dead.jpg")) == "vanished"


def test_a_rejection_reads_as_reason_and_detail():
    assert str(Rejected("vanished", "no file a.jpg")) == "vanished: no file a.jpg"
