"""The server of the workbench: loopback only, a token as Jupyter makes it, and the lab's folders to look at first.

A container says otherwise where it must, on the command line. What a person opens, moves and closes in the workbench is
kept apart from other JupyterLabs of that person, and begins as `first_page.json` says.
"""

import os
import warnings
from pathlib import Path

from jupyter_core.paths import jupyter_config_dir
from jupyterlab_server.workspaces_handler import WorkspacesManager

from inferlab import machine

c = get_config()  # noqa: F821 (Jupyter defines it)

HERE = Path(__file__).resolve().parent
WORKSPACES = Path(jupyter_config_dir()) / "lab" / "spark-inference-lab"

c.ServerApp.ip = "127.0.0.1"
c.ServerApp.root_dir = str(HERE.parent)
c.ServerApp.allow_root = True  # inside containers the only user is often root; the address stays the loopback one
c.ServerApp.open_browser = False

c.LabApp.workspaces_dir = str(WORKSPACES)
workspaces = WorkspacesManager(str(WORKSPACES))
if not workspaces.list_workspaces():
    workspaces.save("default", (HERE / "first_page.json").read_text(encoding="utf-8"))

# The status bar shows the memory of the server and all it started, Spark's too, beside what there is.
c.ResourceUseDisplay.mem_limit = int(os.environ.get("MEM_LIMIT", machine.memory()))

# A password beside the token; Compose hands on what `.env` says.
c.PasswordIdentityProvider.hashed_password = os.environ.get("LAB_PASSWORD_HASH", "")


def forget_the_kernel(model, **_) -> None:
    """Save a notebook without the version of the Python that it met: a notebook that was only opened stays the same file."""
    if model["type"] == "notebook" and "language_info" in model["content"]["metadata"]:
        language = model["content"]["metadata"]["language_info"]
        model["content"]["metadata"]["language_info"] = {"name": language["name"]} if "name" in language else {}


c.FileContentsManager.pre_save_hook = forget_the_kernel
warnings.filterwarnings("ignore", "Overriding existing pre_save_hook")  # Jupyter reads this file for the server and for the lab
