"""What Spark itself counted while it ran Python: rows, bytes, and the time to start workers.

Spark shows these numbers on the SQL page of its UI; they are read here from the store behind it, which is there without
the UI. Spark keeps them as text for people, so they have three digits.
"""

import re
from dataclasses import dataclass

from pyspark.sql import SparkSession

_UNITS = {
    "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0,
}  # fmt: skip
PYTHON = re.compile("Python|InArrow|InPandas")  # the nodes of a plan whose work is done in Python
ROWS = "number of output rows"
_NUMBER = re.compile(r"([\d,.]+)\s*([A-Za-z]*)")


@dataclass(frozen=True)
class Metrics:
    """Of all Python steps of one or more queries, added up.

    rows: that came back from Python
    sent, returned: bytes between the JVM and Python
    start: seconds to start Python workers, added over the tasks
    initialise: seconds from then to the first row: imports of PySpark and Arrow, and the function. A worker that is used
        again begins to count when its last task ends, so for warm workers this is mostly idle time
    """

    rows: float = 0.0
    sent: float = 0.0
    returned: float = 0.0
    start: float = 0.0
    initialise: float = 0.0


NONE = Metrics()


def mark(spark: SparkSession) -> int:
    """A place in the list of queries, for `since`."""
    return _queries(spark).size()


def since(spark: SparkSession, mark: int) -> Metrics:
    """What the queries after a mark spent in Python."""
    spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()  # the store is filled behind the query's back
    queries, store = _queries(spark), spark._jsparkSession.sharedState().statusStore()
    found: dict[str, float] = {}
    for index in range(mark, queries.size()):
        query = queries.apply(index).executionId()
        values, nodes = store.executionMetrics(query), store.planGraph(query).allNodes().iterator()
        while nodes.hasNext():
            node = nodes.next()
            if not PYTHON.search(node.name()):
                continue
            metrics = node.metrics().iterator()
            while metrics.hasNext():
                metric = metrics.next()
                value = values.get(metric.accumulatorId())
                if value.isDefined():
                    found[metric.name()] = found.get(metric.name(), 0.0) + number(value.get())
    return Metrics(
        rows=found.get(ROWS, 0.0),
        sent=found.get("data sent to Python workers", 0.0),
        returned=found.get("data returned from Python workers", 0.0),
        start=found.get("time to start Python workers", 0.0),
        initialise=found.get("time to initialize Python workers", 0.0),
    )


def number(text: str) -> float:
    r"""Read a metric: "3,000" -> 3000; "24.4 KiB" -> 24985.6; "total (min, med, max)\n1.5 s (17 ms, ...)" -> 1.5, its total."""
    match = _NUMBER.search(text.rpartition("\n")[2])
    return float(match[1].replace(",", "")) * _UNITS.get(match[2], 1) if match else 0.0


def _queries(spark: SparkSession):
    return spark._jsparkSession.sharedState().statusStore().executionsList()
