"""The sample data and the sample model: drawn and trained on this machine when they are first asked for.

Notebooks, `make run` and tests take them from here, so that all of them talk about the same pictures.
"""

import json
import os
import sys
from pathlib import Path

from inferlab import storage
from inferlab.datasets.synthetic import MANIFEST, make_flowers
from inferlab.errors import Problem
from inferlab.models import training
from inferlab.models.bundle import DESCRIPTION, Bundle, open_bundle

NAME = "flowers"
REQUEST = {"count": 1000, "size": [500, 375], "seed": 7, "corrupt": 0.0}  # 45 MB, drawn in 15 s on two cores


def flowers() -> Path:
    """The folder of sample pictures, one folder a class in it. Drawn when missing, completed when interrupted.

    A folder that was drawn with another request is taken as it is, so a test may bring a smaller one.
    """
    folder = storage.data() / NAME
    noted = folder / MANIFEST
    request = json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else REQUEST
    make_flowers(folder, request["count"], tuple(request["size"]), seed=request["seed"], corrupt=request["corrupt"])
    return folder


def model(name: str = NAME) -> Bundle:
    """Open a bundle by its name. The sample's own is trained on `flowers` when missing, in about a minute.

    Raises `Problem` for another name that is not there.
    """
    if name == NAME and not (storage.models() / NAME / DESCRIPTION).is_file():
        return training.train(flowers(), NAME, epochs=10, size=128)
    return open_bundle(name)


def main() -> None:
    """Make what is missing, and say what there is. Ends with 2 and a sentence when the storage cannot be written."""
    try:
        storage.results().mkdir(parents=True, exist_ok=True)
        pictures, bundle = flowers(), model()
    except PermissionError as error:
        print(f"{_denied(error)}", file=sys.stderr)
        sys.exit(2)
    print(f"Sample data: {pictures.name}. Sample model: {bundle.name}, accuracy {bundle.about.get('accuracy')}.")


def _denied(error: PermissionError) -> Problem:
    root = storage.root()
    owner = root.stat() if root.exists() else root.parent.stat()
    cure = "Make it writable for this user, or set INFERLAB_STORAGE to a folder that is."
    if owner.st_uid not in (0, os.getuid()):  # as in a container that was built for somebody else
        cure += (
            f" In containers: make up; or LAB_UID={owner.st_uid} and LAB_GID={owner.st_gid} in .env, and docker compose build."
        )
    what = f"User {os.getuid()} may not write {error.filename or root}; the storage belongs to user {owner.st_uid}."
    return Problem(what, cure)


if __name__ == "__main__":
    main()
