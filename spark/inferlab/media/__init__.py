"""Bytes to arrays, or a reason why not. This package knows neither Spark nor any model.

An error here is a value: `Rejected` says why one file cannot be scored, and costs that file only.
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

MAX_BYTES = 256 * 2**20  # a larger file is not loaded: it would take the memory of the whole task


class Rejected(NamedTuple):
    """Why a file cannot be scored.

    reason: one word of `REASONS`, for counting
    detail: what was seen, for the person who owns the file
    """

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


REASONS = {
    "empty": "the file has no bytes",
    "not_an_image": "the bytes are no JPEG, PNG or WebP file",
    "truncated": "the file stops before its image does",
    "too_many_pixels": "the header announces more pixels than a task may hold",
    "too_large": "the file is larger than a task may load",
    "undecodable": "the decoder gives up on the image data",
    "vanished": "the file was listed and is gone",
    "unreadable": "the file is there and cannot be read",
}


def read(path: str) -> bytes | Rejected:
    """Read one file as the worker sees it.

    path: a local path, or the `file:` form that Spark's `binaryFile` source gives
    returns: its bytes, or `Rejected` with vanished, unreadable, too_large or empty
    """
    local = path.removeprefix("file://").removeprefix("file:")
    try:
        found = os.stat(local)
        size = found.st_size
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            return Rejected("unreadable", "it is a folder or a device, not a file")
        if size > MAX_BYTES:
            return Rejected("too_large", f"{size:,} bytes, at most {MAX_BYTES:,} are loaded")
        content = Path(local).read_bytes()
    except FileNotFoundError:
        return Rejected("vanished", f"no file {local}")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        return Rejected("unreadable", f"{getattr(error, 'strerror', None) or error}")
    return content or Rejected("empty", "0 bytes")
