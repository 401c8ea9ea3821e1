#!/usr/bin/env python3
"""Ask a service of the cluster how it is. Exit code 0 when it does its work, 1 and a sentence when not.

healthcheck.py master|worker|jupyterlab        inside its own container
"""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

PAGES = {
    "master": "http://127.0.0.1:8080/json/",
    "worker": "http://127.0.0.1:8081/json/",
    "jupyterlab": "http://127.0.0.1:8888/api",
}
TIMEOUT = 4  # seconds


def check(role: str) -> str:
    """Say how a service is. Raises SystemExit with a sentence when it is not well, OSError when it does not answer."""
    told = ask(PAGES[role])
    if role == "master":
        if told["status"] != "ALIVE":
            raise SystemExit(f"the master is {told['status']}")
        alive = [worker for worker in told["workers"] if worker["state"] == "ALIVE"]
        return f"ALIVE, {len(alive)} workers, {told['coresused']} of {told['cores']} cores in use"
    if role == "worker":
        # A worker goes on answering when its master is gone, so only the master can say whether it is part of the cluster.
        master = ask(f"{os.environ['INFERLAB_MASTER_PAGE']}/json/")
        states = {worker["id"]: worker["state"] for worker in master["workers"]}
        if states.get(told["id"]) != "ALIVE":
            raise SystemExit(f"the master says of this worker: {states.get(told['id'], 'unknown')}")
        return f"registered, {told['coresused']} of {told['cores']} cores in use"
    return f"Jupyter Server {told['version']}"


def ask(address: str) -> dict[str, Any]:
    """GET an address that answers with JSON."""
    with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
        return json.load(answer)


if __name__ == "__main__":
    try:
        print(check(sys.argv[1]))
    except (OSError, urllib.error.URLError, json.JSONDecodeError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
