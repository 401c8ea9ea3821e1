"""The secret that makes a process a part of a standalone cluster: where it lies, and how Spark is told.

Spark takes a secret from a file on Kubernetes only, and a setting would be seen in the list of processes. A standalone worker
hands the secret to its executors in their environment, so masters and workers are given it the same way; a driver takes it in
its configuration only (`cluster`).
"""

import os
import secrets
from pathlib import Path

from inferlab import storage
from inferlab.errors import Problem

PLACE = "INFERLAB_SECRET"  # names the file; Compose sets it
SPARKS_NAME = "_SPARK_AUTH_SECRET"  # org.apache.spark.SecurityManager.ENV_AUTH_SECRET


def file() -> Path:
    """Where the secret lies: `INFERLAB_SECRET`, else in the storage, for the cluster of this machine."""
    return Path(os.environ.get(PLACE) or storage.root() / ".cluster" / "secret")


def make() -> Path:
    """Make the secret when there is none yet, readable by its owner only."""
    kept(file())
    return file()


def kept(place: Path) -> str:
    """What a file keeps secret: made at random when it is missing, whole or not at all, readable by its owner only."""
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = place.with_name(f".{place.name}.{os.getpid()}")
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_hex(32), encoding="ascii")
        os.replace(partial, place)
    return place.read_text(encoding="ascii").strip()


def environment() -> dict[str, str]:
    """What a process of the cluster needs in its environment; empty where there is no secret.

    Raises `Problem` when the secret may not be read.
    """
    try:
        return {SPARKS_NAME: file().read_text(encoding="ascii").strip()}
    except FileNotFoundError:
        return {}
    except PermissionError:
        raise Problem(f"The cluster's secret {file()} belongs to another user.", "Run as the user who started it.") from None
