"""The sample data and the sample model: drawn and trained on this machine when they are first asked for.

Notebooks, `make run` and tests take them from here, so that all of them talk about the same pictures.
"""

import json
from pathlib import Path

from inferlab import storage
from inferlab.datasets.synthetic import MANIFEST, make_flowers
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


if __name__ == "__main__":
    storage.results().mkdir(parents=True, exist_ok=True)
    pictures, bundle = flowers(), model()
    print(f"Sample data: {pictures.name}. Sample model: {bundle.name}, accuracy {bundle.about.get('accuracy')}.")
