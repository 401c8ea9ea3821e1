#!/usr/bin/env python3
"""Tell Spark which GPUs this worker has: {"name": "gpu", "addresses": ["0", "1"]}. Spark runs this when a worker starts.

INFERLAB_PRETEND_GPUS=2 makes up two addresses, for rehearsing the scheduling on a machine without a GPU.
"""

import json
import os
import shutil
import subprocess


def addresses() -> list[str]:
    """Indices as `CUDA_VISIBLE_DEVICES` takes them."""
    if pretended := int(os.environ.get("INFERLAB_PRETEND_GPUS") or 0):
        return [str(index) for index in range(pretended)]
    if not shutil.which("nvidia-smi"):
        return []
    told = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return told.stdout.split() if told.returncode == 0 else []


if __name__ == "__main__":
    print(json.dumps({"name": "gpu", "addresses": addresses()}))
