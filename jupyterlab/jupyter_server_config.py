"""The server of the workbench: loopback only, a token as Jupyter makes it, and the lab's folders to look at first."""

from pathlib import Path

c = get_config()  # noqa: F821 (Jupyter defines it)

LAB = Path(__file__).resolve().parent.parent

c.ServerApp.ip = "127.0.0.1"
c.ServerApp.root_dir = str(LAB)
c.LabApp.default_url = "/lab/tree/notebooks/00_check_the_lab.ipynb"
c.ServerApp.allow_root = True  # inside containers the only user is often root; the address stays the loopback one
c.ServerApp.open_browser = False
