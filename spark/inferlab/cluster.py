"""Where Spark is, and how to reach it: embedded in this process, or any master URL. It knows no images and no models.

The same code runs everywhere; only `SPARK_MASTER` (or `--master`) changes. On a cluster a session takes its share of the
cores, and one that gets none ends with a sentence: it never waits in silence.
"""

import math
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pyspark
from pyspark.sql import SparkSession

from inferlab import daemon, jvm, live, secret, shares, standalone, storage, waiting
from inferlab import master as masters
from inferlab.errors import Problem, first_line

EMBEDDED = "local[*]"
TITLE = "Spark Inference Lab"
PATIENCE = 20  # seconds until the first executor: a free cluster gives one in 3 to 5
STARTING = 40  # the same, once the master has given cores: Java starts slowly on a busy machine
TOGETHER = 5  # seconds between the first executor and the last

SETTINGS = {
    # Idle tasks wait for no data here: files are on a shared volume, equally far from every worker.
    "spark.locality.wait": "0s",
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.killEnabled": "false",
    # Executors report rows of running tasks with their heartbeats: every 10 seconds by default, too seldom to watch.
    "spark.executor.heartbeatInterval": "1s",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.session.timeZone": "UTC",
    # A cell may hold a whole image: of 4,096 at once, Spark's default, decoded ones would take 2 GB.
    "spark.sql.parquet.columnarReaderBatchSize": "64",
}


def master(chosen: str | None = None) -> str:
    """The master URL: what was chosen, else `SPARK_MASTER`, else an embedded Spark on all cores."""
    return chosen or os.environ.get("SPARK_MASTER") or EMBEDDED


class Executor(NamedTuple):
    """A process that computes for this session.

    id: Spark's, "0", "1", ...; "driver" where the driver's own Java computes
    cores: that it has; running: tasks at this moment
    """

    id: str
    host: str
    cores: int
    running: int


def session(master_url: str | None = None, app: str | None = None, **settings: str) -> SparkSession:
    """The Spark session of this process; started when there is none.

    master_url: "local[2]", "local-cluster[2,1,1024]", "spark://host:7077", ...; see `master` for the default
    app: its name on Spark's pages; by default that of the notebook, where one is open
    settings: Spark settings with "__" for the dots: `spark__task__cpus="2"`
    Raises `Problem` when there is no Java, Spark does not start, or a cluster gives no executor; it says why.

    What the JVM prints goes to a log file in the storage: notebook cells and scripts stay clear of it.
    """
    running = SparkSession.getActiveSession()
    if running is not None and not running.sparkContext._jsc.sc().isStopped():
        return running
    url = master(master_url)
    os.environ["JAVA_HOME"] = str(jvm.java().parent.parent)
    if masters.is_standalone(url):
        masters.reach(url)
    wanted = {**SETTINGS, **_where(url), **{name.replace("__", "."): value for name, value in settings.items()}}
    log = storage.root() / "logs" / "spark.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        spark = _start(url, app or _title(), wanted, log)
    except Exception as error:
        said = first_line(getattr(error, "java_exception", error))
        raise Problem(f"Spark does not start on {url}: {said}", f"The end of {log} says more.") from error
    _await_executors(spark)
    live.attach(spark, lambda: why_nothing_runs(spark))
    return spark


def executors(spark: SparkSession) -> list[Executor]:
    """The processes that compute now; on a cluster the driver is none of them."""
    told = spark.sparkContext._jsc.sc().statusStore().executorList(True)
    every = [told.apply(index) for index in range(told.size())]
    return [
        Executor(one.id(), one.hostPort().rpartition(":")[0], one.totalCores(), one.activeTasks())
        for one in every
        if one.totalCores()
    ]


def obstacle(spark: SparkSession) -> Problem | None:
    """Why nothing runs, and what to do: no executor has come, or all are at work. None when there is a free one."""
    if there := executors(spark):
        if sum(one.running for one in there) < slots(spark):
            return None
        what = f"All {slots(spark)} slots are busy with other jobs of this session."
        return Problem(what, f"Wait for them; they are on {page(spark)}.")
    url, conf = spark.sparkContext.master, spark.sparkContext.getConf()
    if not masters.is_standalone(url):
        return Problem(f"{url} has given no executor yet.", "Ask the manager of that cluster why.")
    request = waiting.Request(
        application=spark.sparkContext.applicationId,
        driver=f"{conf.get('spark.driver.host')}:{conf.get('spark.driver.port')}",
        cores=int(conf.get("spark.executor.cores", "0")),
        most=int(conf.get("spark.cores.max", "0")),
    )
    try:
        return waiting.explain(masters.ask(masters.page(url)), request, _public_page(spark))
    except Problem as silent:
        return Problem(f"{url} has given no executor yet, and nobody can say why: {silent.what}", silent.cure)


def why_nothing_runs(spark: SparkSession) -> str:
    """`obstacle` as one text, empty when there is none: for whoever waits for a job."""
    return str(obstacle(spark) or "")


def page(spark: SparkSession) -> str:
    """Where a person opens Spark's page of this session: through the master's port where it stands in for all others."""
    context = spark.sparkContext
    if masters.is_standalone(context.master) and context.getConf().get("spark.ui.reverseProxy", "false") == "true":
        return f"{_public_page(spark)}/proxy/{context.applicationId}/"
    return context.uiWebUrl or ""


def slots(spark: SparkSession) -> int:
    """How many tasks run at once."""
    # Spark's default parallelism says 2 for one core, and counts no executor that came after it was asked.
    cpus = float(spark.conf.get("spark.task.cpus", "1"))
    return max(1, sum(int(one.cores / cpus) for one in executors(spark)))


def threads_per_task(spark: SparkSession) -> int:
    """How many threads a task may use without taking a neighbour's core; `spark.task.cpus` may be a fraction."""
    return max(1, math.floor(float(spark.conf.get("spark.task.cpus", "1"))))


def _where(url: str) -> dict[str, str]:
    """Settings that follow from where Spark runs."""
    options, ours = os.environ.get("INFERLAB_JVM_OPTIONS") or jvm.options(), _ours(url)
    found = {"spark.driver.extraJavaOptions": options} if options else {}
    if url.startswith("local") or _here(url):
        os.environ["PYSPARK_PYTHON"] = sys.executable  # the Python that has the packages, whatever the PATH says
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # else the UI and the block manager would listen on the network
        found |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    if url.startswith("local"):
        found["spark.driver.memory"] = "2g"  # the driver is the executor too
    if url.startswith("local-cluster"):
        # Its default is a folder inside the installed package.
        os.environ.setdefault("SPARK_WORKER_DIR", str(storage.scratch() / "spark-work"))
        os.environ["SPARK_SCALA_VERSION"] = "2.13"
    if options and (url.startswith("local-cluster") or _here(url) or ours):
        found["spark.executor.extraJavaOptions"] = options
    conf = os.environ.get("SPARK_CONF_DIR")
    if ours and (conf is None or Path(conf) == daemon.DEFAULTS.parent):
        # A folder with files on the class path would switch the class-data archive off: the settings are named instead.
        os.environ.pop("SPARK_CONF_DIR", None)
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"--properties-file {daemon.DEFAULTS} pyspark-shell"
    return found


def _start(url: str, app: str, settings: dict[str, str], log: Path) -> SparkSession:
    """Start the driver's JVM with its output in `log`, and a session on it."""
    from pyspark.java_gateway import launch_gateway

    _end_java()
    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    conf = pyspark.SparkConf(loadDefaults=False).setMaster(url).setAppName(app).setAll(settings.items())
    with log.open("ab") as output:
        gateway = launch_gateway(conf, popen_kwargs={"stdout": output, "stderr": output})
    pyspark.SparkContext._ensure_initialized(gateway=gateway)
    conf = pyspark.SparkConf(_jvm=gateway.jvm)  # with what conf/spark-defaults.conf adds
    if masters.is_standalone(url):
        shares.take(conf, url)
    if _ours(url):
        _tell_secret(conf)
    context = pyspark.SparkContext.getOrCreate(conf)
    context.setLogLevel("ERROR")
    return SparkSession(context)


def _tell_secret(conf: pyspark.SparkConf) -> None:
    """Hand the cluster's secret to the driver: it takes neither a file nor the environment, and a command line is seen."""
    told = secret.environment().get(secret.SPARKS_NAME)
    if told and not conf.contains("spark.authenticate.secret"):
        conf.set("spark.authenticate", "true").set("spark.authenticate.secret", told)


def _await_executors(spark: SparkSession) -> None:
    """Wait until the cores that the master gives are there. Ends the session and raises `Problem` when none come."""
    began = time.monotonic()
    while not executors(spark):
        patience = STARTING if _granted(spark) else PATIENCE
        if spark.sparkContext._jsc.sc().isStopped() or time.monotonic() > began + patience:
            problem = obstacle(spark)
            if problem is None:  # one came in the last moment
                break
            spark.stop()
            _end_java()
            raise problem
        time.sleep(0.2)
    granted, began = _granted(spark), time.monotonic()
    while sum(one.cores for one in executors(spark)) < granted and time.monotonic() < began + TOGETHER:
        time.sleep(0.1)


def _granted(spark: SparkSession) -> int:
    """Cores that the master has given to this application; 0 where there is no master to ask."""
    url = spark.sparkContext.master
    if not masters.is_standalone(url):
        return 0
    try:
        application = masters.ask(masters.page(url)).application(spark.sparkContext.applicationId)
    except Problem:
        return 0
    return application.cores if application else 0


def _end_java() -> None:
    """End the Java of a session that is over: the next one may have other settings, which only a new process takes."""
    context = pyspark.SparkContext
    if context._gateway is None:
        return
    context._gateway.shutdown()
    context._gateway.proc.stdin.close()
    context._gateway = context._jvm = None


def _title() -> str:
    """The notebook that is open, so that the next one can be told who holds the cores."""
    return Path(os.environ.get("JPY_SESSION_NAME", "")).name or TITLE


def _public_page(spark: SparkSession) -> str:
    """Where a person on the host opens the master's page, which is not where a container finds it."""
    url = spark.sparkContext.master
    told = os.environ.get("INFERLAB_PUBLIC_PAGE") if masters.named_by_environment(url) else None
    return (told or spark.sparkContext.getConf().get("spark.ui.reverseProxyUrl") or masters.page(url)).rstrip("/")


def _here(url: str) -> bool:
    """Whether a cluster's master is on the loopback interface, and so all of it on this machine."""
    return masters.is_standalone(url) and all(host in ("127.0.0.1", "localhost", "::1") for host, _ in masters.addresses(url))


def _ours(url: str) -> bool:
    """Whether a cluster has the lab's settings and secret: Compose's, or that of `inferlab cluster up`."""
    if masters.is_standalone(url) and secret.PLACE in os.environ:
        return True
    found = standalone.find() if _here(url) else None
    return found is not None and found.url == url
