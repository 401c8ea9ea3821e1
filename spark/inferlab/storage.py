"""Where things lie: data, models and results, below one folder that every machine of a cluster sees.

This is the only module that reads `INFERLAB_STORAGE`. It does not know what is inside the folders.
"""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = "share_storages"


def root() -> Path:
    """The storage: `INFERLAB_STORAGE`, else the nearest `share_storages` here or above, else one made here on first use."""
    if chosen := os.environ.get("INFERLAB_STORAGE"):
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    found = (folder / FOLDER for folder in (here, *here.parents) if (folder / FOLDER).is_dir())
    return next(found, here / FOLDER)


def data() -> Path:
    """Folders of images and recordings."""
    return root() / "data"


def models() -> Path:
    """Bundles, one folder each."""
    return root() / "models"


def results() -> Path:
    """What comparisons and scorings leave."""
    return root() / "results"


def scratch() -> Path:
    """A folder for what may be deleted at any time, on the same volume, so that a rename from it is atomic."""
    folder = root() / ".scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target` when the block ends, and is removed when the block fails.

    An older `target` is moved aside first and deleted last, so that a crash leaves one of the two whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield staging
        os.chmod(staging, 0o755)
        old = staging.with_name(f"{staging.name}.old")
        if target.exists():
            os.replace(target, old)
        os.replace(staging, target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def host() -> str:
    """The name of this machine as it appears in results."""
    return socket.gethostname()
