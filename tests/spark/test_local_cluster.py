"""Two executors, each a JVM of its own, answer as one process does. One run of `local_cluster_job.py` tells all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inferlab import engines, worker
from inferlab.datasets import folders
from inferlab.strategies import STRATEGIES

pytestmark = pytest.mark.timeout(240)
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
in_spark = pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "python_loop"])


@pytest.fixture(scope="module")
def files(broken_flowers) -> list[str]:
    return [*folders.list_files(broken_flowers), "/gone.jpg"]


@pytest.fixture(scope="module")
def told(bundle, files, tmp_path_factory) -> dict:
    engines.module("openvino").payload(bundle)
    folder = tmp_path_factory.mktemp("cluster")
    discovery = folder / "discover_gpus.sh"
    discovery.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["7"]}'\n""")
    discovery.chmod(0o755)
    job = Path(__file__).with_name("local_cluster_job.py")
    environment = {**os.environ, "SPARK_MASTER": "local-cluster[2,1,1024]", "INFERLAB_STORAGE": str(folder)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    ran = subprocess.run(
        [sys.executable, job, bundle.folder, discovery, *files],
        capture_output=True, text=True, env=environment, timeout=200, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def expected(bundle, files) -> dict:
    """What this process says, with no Spark at all."""
    spec = engines.specify(bundle, "openvino")
    return worker.answer(spec, lambda: engines.module("openvino").payload(bundle), files).columns()


def test_there_are_two_executors_with_one_core_each(told):
    assert (told["master"], told["executors"], told["slots"]) == ("local-cluster[2,1,1024]", 2, 2)


@every_strategy
def test_the_answers_are_those_of_one_process(told, files, expected, strategy):
    found = told["answers"][strategy]
    assert found["rows"] == list(range(len(files)))
    assert found["labels"] == expected["label"].tolist()
    assert found["errors"] == expected["error"].tolist()
    scores = [0.0 if score is None else score for score in expected["score"]]
    assert np.abs(np.subtract(found["scores"], scores)).max() <= 1e-5
    assert found["errors"][-1].startswith("vanished")


@every_strategy
def test_every_row_is_computed_once(told, files, strategy):
    assert sum(rows for rows, _ in told["answers"][strategy]["counts"].values()) == len(files)


@in_spark
def test_the_work_is_done_by_the_executors(told, strategy):
    assert told["driver"] not in told["answers"][strategy]["counts"]


def test_both_executors_work(told):
    workers = {name for strategy in STRATEGIES for name in told["answers"][strategy]["counts"]} - {told["driver"]}
    assert len(workers) >= 2


def test_a_worker_loads_the_model_once_for_all_strategies(told):
    loads: dict[str, int] = {}
    for answers in told["answers"].values():
        for name, (_, loaded) in answers["counts"].items():
            loads[name] = loads.get(name, 0) + loaded
    assert loads == dict.fromkeys(loads, 1)
    assert len(loads) <= 2 + 1  # two executors and the driver, for python_loop


def test_a_worker_sees_the_gpu_of_its_task_and_no_other(told):
    assert told["seen"]
    assert {seen["gpu"] for seen in told["seen"]} == {"7"}


def test_no_worker_imports_tensorflow_for_a_compiled_model(told):
    assert {seen["tensorflow"] for seen in told["seen"]} == {False}
