"""Folders of files: listing, labels, splits, and the DataFrame that strategies take. It knows no model.

Names are passed on as they are: spaces, percent signs and letters of any alphabet need no quoting.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from inferlab.errors import Problem
from inferlab.media.image import EXTENSIONS

SPLITS = {"train": 70, "validation": 20, "test": 10}  # percent


def list_files(folder: Path | str, extensions: Sequence[str] = EXTENSIONS) -> list[str]:
    """Absolute paths of all files below a folder that end like an image, sorted by name.

    Hidden files and those that begin with "_" are left out, as Spark's own readers do.
    Raises `Problem` when there is no such folder, when it cannot be read, or when no file in it ends like an image.
    """
    top = Path(folder).expanduser().absolute()
    if not top.is_dir():
        raise Problem(f"There is no folder {top}.", "Name one, or make one: inferlab data make flowers DIR --count 500.")
    found, others = [], 0
    for parent, folders, files in os.walk(top, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        for name in files:
            if name[0] not in "._":
                if name.lower().endswith(tuple(extensions)):
                    found.append(os.path.join(parent, name))
                else:
                    others += 1
    if not found:
        seen = f"{others:,} other files" if others else "nothing"
        raise Problem(f"{top} holds {seen}, and no file that ends with {', '.join(extensions)}.", "Name a folder of images.")
    return sorted(found)


def label(path: str, rule: str = "folder") -> str:
    r"""The label of a file.

    rule: "folder": the name of the folder that holds it; else a regular expression with one group, for the file's name:
        `(\d)_` takes "7" from 7_jackson_0.wav
    Raises `Problem` when the expression is none, has no group, or does not match.
    """
    if rule == "folder":
        return os.path.basename(os.path.dirname(path))
    try:
        expression = re.compile(rule)
    except re.error as error:
        raise Problem(f"{rule!r} is not a regular expression: {error}.", "Use one with a group, like '(.+)_'.") from error
    match = expression.search(os.path.basename(path))
    if not match or not expression.groups or not match[1]:  # a group may take no part in a match: (a)?b
        raise Problem(
            f"{rule!r} finds no label in {os.path.basename(path)!r}.", "Use one with a group that matches every name."
        )
    return match[1]


def split(path: str, folder: Path | str) -> str:
    """Which of `SPLITS` a file belongs to: by a hash of its path below `folder`, so for ever and on every machine."""
    relative = Path(path).relative_to(Path(folder).expanduser().absolute()).as_posix()
    percent = int.from_bytes(hashlib.sha256(relative.encode("utf-8", "surrogateescape")).digest()[:8]) % 100
    for name, share in SPLITS.items():
        percent -= share
        if percent < 0:
            return name
    raise AssertionError("the shares of SPLITS add up to 100")


def repeated(files: Sequence[str], rows: int) -> list[str]:
    """As many paths as rows, the files taken in turn, spread over the whole list when there are fewer rows than files."""
    if rows <= len(files):
        return [files[index * len(files) // rows] for index in range(rows)]
    return [files[index % len(files)] for index in range(rows)]


def to_dataframe(spark: SparkSession, files: Sequence[str], partitions: int) -> DataFrame:
    """The files as rows for a strategy: row bigint (0, 1, ...), path string.

    Only names travel: the workers read the files where they decode them. The rows are spread evenly and kept in memory,
    so that this is not part of what is timed.
    """
    rows = pd.DataFrame({"row": range(len(files)), "path": list(files)})
    df = spark.createDataFrame(rows, "row bigint, path string").repartition(partitions).cache()
    df.count()
    return df


def _unreadable(error: OSError) -> None:
    raise Problem(
        f"{error.filename} cannot be listed: {error.strerror}.",
        "Give yourself the right to read it, or name another folder.",
    )
