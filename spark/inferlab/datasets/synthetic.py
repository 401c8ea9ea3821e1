"""Writes a folder of flower pictures, the same for the same seed, on all cores.

Knows files: their names, JPEG, what is there already, and which are to be broken. Does not know how a picture is
drawn (`scenery`), how a file is broken (`corrupt`), nor who reads the folder.

As a program (`python -m inferlab.datasets.synthetic`) it is one worker: it reads a job as JSON from standard input
and writes one byte to standard output for every file it has finished.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from inferlab.errors import Problem
from inferlab.progress import wanted

from .corrupt import KINDS as BREAKAGES
from .corrupt import break_jpeg, choose_files
from .flowers import KINDS as CLASSES
from .scenery import draw_picture

MANIFEST = "_manifest.json"
SMALLEST = 32  # pixels
BYTES_PER_PIXEL = (0.165, 0.315)  # 31 to 59 KB for 500 x 375: what a camera writes at such a size
FILES_PER_WORKER = 32  # fewer are drawn sooner than a process starts and imports OpenCV


def make_flowers(
    folder: Path | str,
    count: int,
    size: tuple[int, int] = (500, 375),
    *,
    seed: int = 7,
    corrupt: float = 0.0,
    progress: bool = True,
) -> dict:
    """Draw `count` flower pictures as JPEG files into class folders and return the manifest.

    File number i shows class i mod 5, is drawn from the seed (`seed`, i) alone, and so has the same bytes whatever the
    count and the number of processes: `daisy/daisy_00016.jpg`. `size` is (width, height) in pixels. With
    `corrupt` > 0 that share of the files (at least one) is replaced by broken or odd ones (module `corrupt`).

    A second call with the same arguments reuses what is there; after an interruption it draws what is missing.

    The manifest, also written as `_manifest.json`: seed, size, count, corrupt, classes, and `planted`, a list of
    {"path": relative to the folder, "kind", "expect": "scored" or "rejected", "reason": why rejected, or None}.

    Raises `Problem` for a count below 1, a corrupt share outside [0, 1), a seed below 0, a size below 32 pixels, a
    folder that holds anything else, and when the drawing fails (a full disk).
    """
    check_request(count, size, seed, corrupt)
    folder = Path(folder)
    broken = choose_files(count, corrupt, seed)
    manifest = {
        "seed": seed,
        "size": list(size),
        "count": count,
        "corrupt": float(corrupt),
        "classes": list(CLASSES),
        "planted": [describe_planted(index, broken[index]) for index in sorted(broken)],
    }
    claim_folder(folder, manifest)
    present = {entry.name for name in CLASSES for entry in os.scandir(folder / name)}
    paths = [file_path(index, broken.get(index)) for index in range(count)]
    missing = [(i, broken.get(i)) for i in range(count) if paths[i].rpartition("/")[2] not in present]
    if missing:
        job = {"folder": str(folder.absolute()), "size": list(size), "seed": seed}
        hidden = not (progress and wanted())
        with tqdm(total=count, initial=count - len(missing), unit=" files", desc="drawing", disable=hidden) as bar:
            draw_files(job, missing, bar)
    return manifest


def check_request(count: int, size: tuple[int, int], seed: int, corrupt: float) -> None:
    """Raise `Problem` for a request that cannot be drawn."""
    if count < 1:
        raise Problem(f"The number of pictures is {count}.", "Ask for 1 or more.")
    if seed < 0:
        raise Problem(f"The seed is {seed}.", "Use 0 or any larger whole number.")
    if not 0 <= corrupt < 1:
        raise Problem(f"The share of broken files is {corrupt}.", "Use 0 up to 1, without 1: 0.01 is one in a hundred.")
    if min(size) < SMALLEST:
        raise Problem(
            f"Pictures of {size[0]} x {size[1]} pixels are too small to show a flower.",
            f"Use at least {SMALLEST} x {SMALLEST}; 500 x 375 is usual.",
        )


def claim_folder(folder: Path, manifest: dict) -> None:
    """Make sure that `folder` is ours for this request: new, empty, or begun by the same one. Raises `Problem`."""
    noted = folder / MANIFEST
    cure = "Name another folder, or remove this one."
    if noted.is_file():
        if noted.read_text(encoding="utf-8") != dump(manifest):
            raise Problem(f"{folder} holds pictures of another request (see its {MANIFEST}).", cure)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Problem(f"{folder} holds other things already, and pictures are not mixed with them.", cure)
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    if not noted.is_file():
        write_file(noted, dump(manifest).encode())


def dump(manifest: dict) -> str:
    """Return the manifest as the text of its file."""
    return json.dumps(manifest, indent=1) + "\n"


def file_path(index: int, broken: str | None) -> str:
    """Return the path of file `index` relative to the folder; `broken` is its kind of breakage, if any."""
    name = CLASSES[index % len(CLASSES)]
    return f"{name}/{name}_{index:05}{BREAKAGES[broken].suffix if broken else '.jpg'}"


def describe_planted(index: int, kind: str) -> dict:
    """Return the manifest's entry for a broken file."""
    breakage = BREAKAGES[kind]
    return {"path": file_path(index, kind), "kind": kind, "expect": breakage.expect, "reason": breakage.reason}


def draw_files(job: dict, missing: list[tuple[int, str | None]], bar: tqdm) -> None:
    """Draw the `missing` files, here when they are few, else in as many processes as there are cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, len(missing) // FILES_PER_WORKER)
    if workers < 2:
        try:
            for index, broken in missing:
                write_picture(job, index, broken)
                bar.update()
        except OSError as error:
            raise stopped(f"{error}") from error
    else:
        run_workers([{**job, "files": missing[start::workers]} for start in range(workers)], bar)


def run_workers(jobs: list[dict], bar: tqdm) -> None:
    """Run one process per job, all at once, and wait for them; `bar` advances with every file.

    Plain processes and neither threads nor a process pool. Threads are no faster than one: most of the time goes to
    calls of a few microseconds, between which they wait for each other. A pool's spawned processes import the
    caller's script once more, which fails in a script without a main guard and in one read from standard input.
    """
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    done, ticks = os.pipe()
    workers = []
    with tempfile.TemporaryFile() as complaints, open(done, "rb", buffering=0) as counter:
        try:
            with open(ticks, "wb") as shared:
                for job in jobs:
                    worker = subprocess.Popen(
                        [sys.executable, "-m", __spec__.name],
                        stdin=subprocess.PIPE,
                        stdout=shared,
                        stderr=complaints,
                        env=environment,
                    )
                    workers.append(worker)
                    with worker.stdin as pipe:
                        pipe.write(json.dumps(job).encode())
            while finished := counter.read(1024):
                bar.update(len(finished))
            failed = any([worker.wait() for worker in workers])
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        if failed:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines() or ["a process was killed"]
            raise stopped(said[-1])


def stopped(reason: str) -> Problem:
    """Return the problem of a drawing that did not come to its end."""
    return Problem(f"The drawing stopped: {reason}.", "Make room on the disk or in memory, then repeat it.")


def write_picture(job: dict, index: int, broken: str | None) -> None:
    """Draw file `index` of the job, break it if it is to be broken, and write it."""
    rng = np.random.default_rng([job["seed"], index])
    picture = draw_picture(rng, CLASSES[index % len(CLASSES)], tuple(job["size"]))
    content = encode_jpeg(picture, int(rng.integers(86, 92)))
    if broken:
        content = break_jpeg(broken, content)
    write_file(Path(job["folder"], file_path(index, broken)), content)


def encode_jpeg(picture: np.ndarray, quality: int) -> bytes:
    """Return a picture (uint8, height x width x 3, blue-green-red) as JPEG.

    `quality` gives way by up to 12 when the file would be larger or smaller than a camera's.
    """
    smallest, largest = (limit * picture.shape[0] * picture.shape[1] for limit in BYTES_PER_PIXEL)
    for _ in range(4):
        content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if smallest <= len(content) <= largest:
            break
        quality += 3 if len(content) < smallest else -3
    return content


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there in full or not at all."""
    # The underscore keeps a half-written file out of every listing, Spark's and ours.
    half = path.with_name(f"_{path.name}.{os.getpid()}")
    half.write_bytes(content)
    os.replace(half, path)


def work() -> None:
    """Do one job from standard input (the program of a worker)."""
    cv2.setNumThreads(1)  # there is a process for every core already
    job = json.load(sys.stdin)
    for index, broken in job["files"]:
        write_picture(job, index, broken)
        os.write(sys.stdout.fileno(), b".")


if __name__ == "__main__":
    work()
