"""Become JupyterLab in its container: with the token of `.env`, or one made at the first start and kept.

start.py            be the server
start.py --token    print its token

On a machine without Docker `make lab` starts JupyterLab itself, on the loopback interface, with a token for each run.
"""

import os
import sys
from pathlib import Path

from inferlab import secret

HERE = Path(__file__).parent


def token() -> str:
    """`LAB_TOKEN`, else the one of earlier starts, else a new one in the volume of the lab's home."""
    if chosen := os.environ.get("LAB_TOKEN", "").strip():
        return chosen
    return secret.kept(Path.home() / ".lab-token")


if sys.argv[1:] == ["--token"]:
    print(token())
else:
    os.environ["JUPYTER_TOKEN"] = token()
    words = [
        "jupyter",
        "lab",
        f"--config={HERE / 'jupyter_server_config.py'}",
        f"--LabApp.app_settings_dir={HERE / 'settings'}",
        "--ServerApp.root_dir=/lab",
        "--ServerApp.ip=0.0.0.0",  # inside the container; Compose publishes the port on the loopback interface only
        "--ServerApp.port=8888",
        "--ServerApp.port_retries=0",
        "--KernelManager.transport=ipc",  # kernels are spoken to through files, and listen on no port
        "--LabApp.extension_manager=readonly",  # nothing can be installed into an image that is read-only
    ]
    os.execvp(words[0], words)
