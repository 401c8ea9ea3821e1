"""OpenVINO on a worker: a graph compiled for the CPU that it runs on.

The driver converts the Keras graph once and keeps the result in the bundle, tied to the model's SHA-256; a bundle that
has it is deployed and scored without importing Keras or TensorFlow anywhere.
"""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from inferlab import storage
from inferlab.engines import Payload, Predict, Spec
from inferlab.models.bundle import Bundle

# Rows in one inference. MobileNetV2 at 192 pixels, one core with 1 MB of cache of its own, images/s for 1, 4, 8, 16, 32 rows:
# f32 180, 193, 164, 145, 132; bf16 296, 330, 298, 276, 254. What lies between two layers stays in the cache.
CHUNK = 4


def precisions() -> tuple[str, ...]:
    """f32 always; bf16 where the CPU computes it natively (AVX-512 BF16 or AMX)."""
    import openvino

    return ("f32", "bf16") if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ("f32",)


def payload(bundle: Bundle) -> Payload:
    """The converted graph, as OpenVINO's two files: structure (XML) and float32 weights."""
    folder = bundle.engine_folder("openvino")
    if not folder.is_dir():
        model = bundle.keras_model()
        with storage.staged_folder(folder) as staging, _understood_by_python_313():
            model.export(str(staging / "model.xml"), format="openvino", verbose=False)
    return {"structure": (folder / "model.xml").read_bytes(), "weights": (folder / "model.bin").read_bytes()}


@contextmanager
def _understood_by_python_313() -> Iterator[None]:
    """OpenVINO 2026.4 asks for TensorFlow's version with `exec("import ...")` and `exec("del ...")` in a function.

    Since Python 3.13 (PEP 667) the second does not see what the first has imported, and every conversion ends in a NameError.
    """
    import tensorflow
    from openvino.frontend.tensorflow import utils

    original = utils.get_environment_setup
    utils.get_environment_setup = lambda framework: {
        "python_version": platform.python_version(),
        "tensorflow": tensorflow.__version__,
        "sys_platform": sys.platform,
    }
    try:
        yield
    finally:
        utils.get_environment_setup = original


def prepare(threads: int) -> None:
    """Import OpenVINO. Its threads are set when a graph is compiled; telemetry would ask the network, so it is refused."""
    os.environ.setdefault("OPENVINO_TELEMETRY_OPT_OUT", "1")
    import openvino  # noqa: F401


def load(payload: Payload, spec: Spec) -> Predict:
    """Compile for `CHUNK` rows now, and for any other number when it comes."""
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": spec.precision,
        "INFERENCE_NUM_THREADS": spec.threads,
        "NUM_STREAMS": 1,
        # Two processes that each compile for one thread would both pin it to the first core and share it.
        "ENABLE_CPU_PINNING": False,
    }

    def compiled(rows: int):
        graph = core.read_model(payload["structure"], payload["weights"])
        graph.reshape([rows, spec.height, spec.width, 3])
        return core.compile_model(graph, "CPU", settings).create_infer_request()

    # A graph of fixed shape is about a tenth faster; -1 leaves the number of rows open.
    requests = {CHUNK: compiled(CHUNK)}

    def infer(rows: np.ndarray) -> np.ndarray:
        shape = len(rows) if len(rows) == CHUNK else -1
        if shape not in requests:
            requests[shape] = compiled(shape)
        return requests[shape].infer(rows, share_inputs=True)[0]  # a copy: the request's own memory is used again

    def predict(batch: np.ndarray) -> np.ndarray:
        return np.concatenate([infer(batch[row : row + CHUNK]) for row in range(0, len(batch), CHUNK)])

    return predict
