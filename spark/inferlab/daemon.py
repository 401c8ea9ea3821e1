"""How a standalone master or worker process is started: the Java command, and a container that becomes it.

`python -m inferlab.daemon master|worker` is what a container of the cluster runs. `standalone` starts the same commands as
processes on one machine. This module knows no sessions, and nothing of applications.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyspark

from inferlab import jvm, secret
from inferlab.errors import Problem

CLASSES = {"master": "org.apache.spark.deploy.master.Master", "worker": "org.apache.spark.deploy.worker.Worker"}
DISCOVERY = Path(__file__).parents[1] / "bin" / "discover_gpus.py"
DEFAULTS = Path(__file__).parents[1] / "conf" / "spark-defaults.conf"
LOGGING = Path(__file__).parents[1] / "conf" / "log4j2.properties"
PRETENDED = "INFERLAB_PRETEND_GPUS"  # how many made-up addresses `discover_gpus.py` tells


def command(role: str, *arguments: str, settings: Mapping[str, str] | None = None) -> tuple[list[str], dict[str, str]]:
    """The command line of a daemon, and its environment.

    role: "master" or "worker"
    settings: Spark settings beyond those of `conf/spark-defaults.conf`
    """
    home = Path(pyspark.__file__).parent
    options = [f"-D{name}={value}" for name, value in (settings or {}).items()]
    environment = {
        **os.environ,
        **secret.environment(),
        "SPARK_HOME": str(home),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_DAEMON_MEMORY": os.environ.get("SPARK_DAEMON_MEMORY", "512m"),
        "SPARK_DAEMON_JAVA_OPTS": " ".join([jvm.options(), f"-Dlog4j2.configurationFile={LOGGING}", *options]),
    }
    # A folder with files on the class path would switch the class-data archive off: settings are named instead.
    environment.pop("SPARK_CONF_DIR", None)
    words = [CLASSES[role], *arguments, "--properties-file", str(DEFAULTS)]
    launcher = [jvm.java(), "-cp", f"{home}/jars/*", "org.apache.spark.launcher.Main", *words]
    told = subprocess.run(launcher, env=environment, capture_output=True, text=True, check=False)
    if told.returncode:
        raise Problem(f"Spark's launcher does not say how to start a {role}: {told.stderr.strip()[:300]}", "Is Spark whole?")
    # A daemon computes nothing, and the vector module makes every JVM print a warning.
    line = [word for word in told.stdout.strip("\0\n").split("\0") if word.strip() and "incubator" not in word]
    return line, environment


def gpu_settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Settings of a worker that has GPUs, found or made up; a worker without must not have them, or it refuses to start."""
    pretended = int(environment.get(PRETENDED) or 0)
    if not pretended and not environment.get("INFERLAB_GPUS"):
        return {}
    amount = pretended or len(_discovered())
    if not amount:
        raise Problem(
            "This worker is to have a GPU, and nvidia-smi finds none.",
            "Install the NVIDIA driver and the NVIDIA Container Toolkit, or start without the profile `gpu`: make up.",
        )
    return {"spark.worker.resource.gpu.amount": str(amount), "spark.worker.resource.gpu.discoveryScript": str(DISCOVERY)}


def _discovered() -> Sequence[str]:
    told = subprocess.run([sys.executable, DISCOVERY], capture_output=True, text=True, check=True)
    return json.loads(told.stdout)["addresses"]


def _serve(role: str) -> None:
    """Become the daemon, with what Compose has put into the environment."""
    if role == "master":
        secret.make()
        words = ["--host", os.environ["INFERLAB_MASTER_HOST"], "--port", "7077", "--webui-port", "8080"]
        settings = {"spark.ui.reverseProxyUrl": os.environ["INFERLAB_PUBLIC_PAGE"]}  # where workers' pages lead back to
    else:
        settings = gpu_settings()
        cores, memory = os.environ["SPARK_WORKER_CORES"], os.environ["SPARK_WORKER_MEMORY"]
        words = ["--cores", cores, "--memory", memory, "--webui-port", "8081", os.environ["SPARK_MASTER"]]
    line, environment = command(role, *words, settings=settings)
    os.execve(line[0], line, environment)


if __name__ == "__main__":
    try:
        _serve(sys.argv[1])
    except Problem as problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
