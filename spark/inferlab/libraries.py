"""Keras, imported once and quietly. TensorFlow greets every process with a dozen lines on its CPU and missing GPU."""

import os
import sys
from types import ModuleType


def keras() -> ModuleType:
    """Import Keras (3 to 12 s with TensorFlow behind it) with nothing written to standard error, and return it.

    TensorFlow writes before its log level is read, straight to the file descriptor, so that is where it is stopped.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import keras
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return keras
