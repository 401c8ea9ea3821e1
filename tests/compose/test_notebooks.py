"""Notebooks 01 to 04 run on the cluster as they are, and say what they say on an embedded Spark."""

import json
import re

import nbformat
import pytest

from .conftest import Cluster

RUNS = {
    "01_load_the_data": {},
    "02_broadcast_the_weights": {"rows": "16"},
    "03_row_and_pandas_udfs": {"rows": "96"},
    "04_compare": {"rows": "40,120", "strategies": "row_udf,pandas_udf,map_in_arrow", "repeats": "1"},
}


@pytest.fixture(scope="module")
def run(cluster: Cluster):
    """Execute a notebook inside JupyterLab's container, and read what came of it on this side."""

    def execute(stem: str, where: str, **parameters: str) -> nbformat.NotebookNode:
        folder = cluster.storage / "results" / where
        cluster.compose("exec", "-T", "jupyterlab", "mkdir", "-p", f"share_storages/results/{where}")
        given = [word for name, value in parameters.items() for word in ("-p", name, value)]
        words = ["papermill", "--no-progress-bar", "--no-log-output", f"{stem}.ipynb"]
        out = f"/lab/share_storages/results/{where}/{stem}.ipynb"
        cluster.compose("exec", "-T", "-w", "/lab/notebooks", "jupyterlab", *words, out, *given)
        return nbformat.read(folder / f"{stem}.ipynb", 4)

    return execute


def promised(notebook) -> list[str]:
    """What the cells print whose output is the same wherever they run."""
    cells = [cell for cell in notebook.cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    return [text for cell in cells for text in printed(cell)]


def printed(cell) -> list[str]:
    return [output.get("text") or output["data"]["text/plain"] for output in cell.outputs]


def calls(notebook) -> dict[str, list[float]]:
    """Notebook 03's last table: calls of the model and rows a call, for each of the six ways."""
    told = "\n".join(text for cell in notebook.cells if cell.cell_type == "code" for text in printed(cell))
    summary = told[told.rindex("model calls  rows a call") :]
    rows = re.findall(r"^(\w+) +([\d.]+) +([\d.]+) ", summary, re.MULTILINE)
    return {name: [float(calls), float(rows)] for name, calls, rows in rows}


@pytest.mark.parametrize("stem", RUNS)
def test_a_notebook_says_on_the_cluster_what_it_says_embedded(cluster, run, stem):
    there = run(stem, "cluster", **RUNS[stem])
    here = run(stem, "embedded", master="local[2]", **RUNS[stem])
    if stem == "03_row_and_pandas_udfs":
        assert calls(there) == calls(here)
        assert len(calls(there)) == 6
    else:
        assert promised(there) == promised(here)
        assert len(promised(there)) >= 2
    assert "FigureCanvas" not in json.dumps(there)
    figures = [output for cell in there.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    assert len(figures) >= (stem != "02_broadcast_the_weights")


def test_gpus_are_rehearsed_beside_the_cluster_and_nothing_of_it_stays(cluster, run):
    cells = [cell for cell in run("09_rehearse_gpus", "cluster").cells if cell.cell_type == "code"]
    told = "\n".join(text for cell in cells for text in printed(cell))
    assert "12 tasks, 2 executors, 2 addresses" in told
    assert "the cluster has ended: True" in told
    assert "deploy.master.Master" not in cluster.compose("exec", "-T", "jupyterlab", "ps", "-ewwo", "args")
    assert [app["name"] for app in cluster.master()["activeapps"]] == []
