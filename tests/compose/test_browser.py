"""A real browser at the cluster's JupyterLab: the first page, a notebook run from its menu, live progress, a chart."""

import json
import os
import subprocess

from .conftest import ROOT, UID, Cluster

IMAGE = "spark-inference-lab/browser-test"
PICTURES = os.environ.get("INFERLAB_KEEP_PICTURES")  # a folder; where they are looked at, and taken into the README


def test_a_person_sees_progress_and_a_chart(cluster: Cluster):
    subprocess.run(["docker", "build", "--quiet", "--tag", IMAGE, ROOT / "tests" / "compose" / "browser"], check=True)
    out = cluster.storage / "pictures"
    out.mkdir()
    os.chown(out, UID, -1)
    (jupyterlab,) = cluster.containers("jupyterlab")
    token = cluster.address.split("token=")[1]
    words = ["docker", "run", "--rm", "--network", f"container:{jupyterlab}", "--user", str(UID), "--env", "HOME=/tmp"]
    words += ["--volume", f"{out}:/pictures", IMAGE, "--url", f"http://127.0.0.1:8888/lab?token={token}"]
    words += ["--notebook", "notebooks/03_row_and_pandas_udfs.ipynb", "--out", "/pictures", "--timeout", "400"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    if PICTURES:
        subprocess.run(["cp", "-r", f"{out}/.", PICTURES], check=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["charts"] >= 1, seen
    assert (out / "progress.png").stat().st_size > 10_000
    assert (out / "chart.png").stat().st_size > 10_000
