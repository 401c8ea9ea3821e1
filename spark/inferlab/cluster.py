"""Where Spark is, and how to reach it: embedded in this process, or any master URL. It knows no images and no models.

The same code runs everywhere; only `SPARK_MASTER` (or `--master`) changes.
"""

import math
import os
import sys
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from inferlab import jvm, storage
from inferlab.errors import Problem, first_line

EMBEDDED = "local[*]"

SETTINGS = {
    # Idle tasks wait for no data here: files are on a shared volume, equally far from every worker.
    "spark.locality.wait": "0s",
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.killEnabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.session.timeZone": "UTC",
    # A cell may hold a whole image: of 4,096 at once, Spark's default, decoded ones would take 2 GB.
    "spark.sql.parquet.columnarReaderBatchSize": "64",
}


def master(chosen: str | None = None) -> str:
    """The master URL: what was chosen, else `SPARK_MASTER`, else an embedded Spark on all cores."""
    return chosen or os.environ.get("SPARK_MASTER") or EMBEDDED


def session(master_url: str | None = None, app: str = "Spark Inference Lab", **settings: str) -> SparkSession:
    """The Spark session of this process; started when there is none.

    master_url: "local[2]", "local-cluster[2,1,1024]", "spark://host:7077", ...; see `master` for the default
    settings: Spark settings with "__" for the dots: `spark__task__cpus="2"`
    Raises `Problem` when there is no Java, or Spark does not start.

    What the JVM prints goes to a log file in the storage: notebook cells and scripts stay clear of it.
    """
    running = SparkSession.getActiveSession()
    if running is not None and not running.sparkContext._jsc.sc().isStopped():
        return running
    url = master(master_url)
    os.environ["JAVA_HOME"] = str(jvm.java().parent.parent)
    wanted = {**SETTINGS, **_where(url), **{name.replace("__", "."): value for name, value in settings.items()}}
    log = storage.root() / "logs" / "spark.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _start(url, app, wanted, log)
    except Exception as error:
        raise Problem(f"Spark does not start on {url}: {first_line(error)}", f"The end of {log} says more.") from error


def slots(spark: SparkSession) -> int:
    """How many tasks run at once."""
    cpus = float(spark.conf.get("spark.task.cpus", "1"))
    return max(1, int(spark.sparkContext.defaultParallelism / cpus))


def threads_per_task(spark: SparkSession) -> int:
    """How many threads a task may use without taking a neighbour's core; `spark.task.cpus` may be a fraction."""
    return max(1, math.floor(float(spark.conf.get("spark.task.cpus", "1"))))


def _where(url: str) -> dict[str, str]:
    """Settings that follow from where Spark runs."""
    options = os.environ.get("INFERLAB_JVM_OPTIONS") or jvm.options()
    found = {"spark.driver.extraJavaOptions": options} if options else {}
    if url.startswith("local"):
        os.environ["PYSPARK_PYTHON"] = sys.executable  # the Python that has the packages, whatever the PATH says
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # else the UI and the block manager would listen on the network
        found |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        found["spark.driver.memory"] = "2g"  # the driver is the executor too
    if url.startswith("local-cluster"):
        # Its default is a folder inside the installed package.
        os.environ.setdefault("SPARK_WORKER_DIR", str(storage.scratch() / "spark-work"))
        os.environ["SPARK_SCALA_VERSION"] = "2.13"
        found |= {"spark.executor.extraJavaOptions": options} if options else {}
    return found


def _start(url: str, app: str, settings: dict[str, str], log: Path) -> SparkSession:
    """Start the driver's JVM with its output in `log`, and a session on it."""
    from pyspark.java_gateway import launch_gateway

    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    conf = pyspark.SparkConf(loadDefaults=False).setMaster(url).setAppName(app).setAll(settings.items())
    with log.open("ab") as output:
        gateway = launch_gateway(conf, popen_kwargs={"stdout": output, "stderr": output})
    pyspark.SparkContext._ensure_initialized(gateway=gateway)
    context = pyspark.SparkContext.getOrCreate(pyspark.SparkConf(_jvm=gateway.jvm))
    context.setLogLevel("ERROR")
    return SparkSession(context)
