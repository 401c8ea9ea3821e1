"""How one process computes predictions. An engine knows arrays and threads; it knows neither files nor DataFrames.

Each engine is a module with the same four functions, for the two sides of the broadcast:

    precisions() -> ("f32", ...)     on the driver: what it can compute in on this CPU
    payload(bundle) -> dict          on the driver: what a worker needs, free of code
    prepare(threads)                 on a worker: import the libraries
    load(payload, spec) -> Predict   on a worker: uint8 (n, height, width, 3) -> float32 (n, values), for 1 <= n <= batch_size

The modules import their libraries inside these functions, so that a worker on one engine never pays for another.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from inferlab.errors import Problem
from inferlab.models.bundle import Bundle

Predict = Callable[[np.ndarray], np.ndarray]
Payload = dict[str, Any]

ENGINES = {
    "keras": "Model.predict, as the published walk-throughs call it: the reference for what a model says",
    "keras_on_batch": "the same model through Model.predict_on_batch, which skips predict's data pipeline",
    "openvino": "the graph compiled for this CPU; no worker imports Keras or TensorFlow",
}
PRECISIONS = ("auto", "f32", "bf16")
BATCH_SIZE = 16  # measured on MobileNetV2 and ResNet-50: larger batches leave the cache and are no faster


@dataclass(frozen=True)
class Spec:
    """What a worker must know to run one bundle on one engine; a few hundred bytes, so it may ride in a closure."""

    bundle: str
    sha256: str
    kind: str
    height: int
    width: int
    output: str
    labels: tuple[str, ...]
    values: int
    engine: str
    precision: str
    threads: int
    batch_size: int

    @property
    def slot(self) -> tuple:
        """Where a worker keeps its predictor; a bundle of the same name with another SHA-256 replaces it there."""
        return self.bundle, self.engine, self.precision, self.threads, self.batch_size


def specify(bundle: Bundle, engine: str, precision: str = "f32", threads: int = 1, batch_size: int = BATCH_SIZE) -> Spec:
    """Choose how a bundle is run.

    precision: "auto" takes bf16 where the engine and this CPU have it, else f32
    threads: what one predictor may use; at least 1
    Raises `Problem` for an unknown engine, or a precision that it or this CPU does not have.
    """
    precision = choose_precision(engine, precision)
    return Spec(
        bundle=bundle.name,
        sha256=bundle.sha256,
        kind=bundle.kind,
        height=bundle.height,
        width=bundle.width,
        output=bundle.output,
        labels=bundle.labels,
        values=len(bundle.labels) or bundle.embedding_width,
        engine=engine,
        precision=precision,
        threads=threads,
        batch_size=batch_size,
    )


def choose_precision(engine: str, precision: str) -> str:
    """What "auto" means on this CPU, or what was asked for. Raises `Problem` as `specify` does."""
    if precision not in PRECISIONS:
        raise Problem(f"There is no precision {precision!r}.", f"Choose one of: {', '.join(PRECISIONS)}.")
    known = offered(engine)
    if precision == "auto":
        return "bf16" if "bf16" in known else "f32"
    if precision not in known:
        raise Problem(f"The engine {engine} has no {precision} on this CPU.", f"Choose --precision {' or '.join(known)}.")
    return precision


def offered(engine: str) -> tuple[str, ...]:
    """The precisions that an engine has on this CPU, the reference first. Raises `Problem` for an unknown engine."""
    if engine not in ENGINES:
        raise Problem(f"There is no engine {engine!r}.", f"Choose one of: {', '.join(ENGINES)}.")
    return module(engine).precisions()


def module(engine: str) -> ModuleType:
    """The module of an engine; `keras_on_batch` is the module `keras` with another call."""
    return import_module(f"inferlab.engines.{engine.removesuffix('_on_batch')}")


def limit_threads(threads: int) -> None:
    """Tell the numerical libraries how many threads this process may use; works until they are imported."""
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = str(threads)
