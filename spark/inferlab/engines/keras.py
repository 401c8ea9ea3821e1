"""Keras on a worker: the architecture and the weights come from the broadcast, the model is built here.

Only the Keras 3 API is used, so that the same code runs on the TensorFlow, torch and JAX backends.
"""

import numpy as np

from inferlab import libraries
from inferlab.engines import Payload, Predict, Spec, limit_threads
from inferlab.models.bundle import Bundle


def precisions() -> tuple[str, ...]:
    """Keras computes what the model was saved in; the lab's models are float32."""
    return ("f32",)


def payload(bundle: Bundle) -> Payload:
    """Architecture as JSON and weights as arrays: no pickled model, no code, and the arrays are sent as they are."""
    model = bundle.keras_model()
    return {"architecture": model.to_json(), "weights": model.get_weights()}


def prepare(threads: int) -> None:
    """Import Keras. The first import fixes the threads of the process, so they are set before it."""
    limit_threads(threads)
    libraries.keras()


def load(payload: Payload, spec: Spec) -> Predict:
    """Build the model and give it its weights."""
    keras = libraries.keras()

    model = keras.models.model_from_json(payload["architecture"])
    model.set_weights(payload["weights"])

    def predict(batch: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(batch, batch_size=len(batch), verbose=0))

    def predict_on_batch(batch: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict_on_batch(batch))

    return predict_on_batch if spec.engine == "keras_on_batch" else predict
