"""Run by test_shared_cluster.py, a process for each notebook that it stands for: says what it got, a line of JSON a line asked.

Arguments: the master URL. Each line on standard input is a JSON object of Spark settings to start a session with; the session
of the line before is over by then. The process ends with its standard input.
"""

import json
import sys
import urllib.request

from inferlab import cluster
from inferlab.errors import Problem


def start(url: str, settings: dict[str, str]) -> dict:
    """Start a session and say what it has, or why it has none."""
    try:
        spark = cluster.session(url, **settings)
    except Problem as problem:
        return {"what": problem.what, "cure": problem.cure}
    with urllib.request.urlopen(cluster.page(spark)) as page:
        shown = page.read().decode()
    return {
        "name": spark.sparkContext.appName,
        "id": spark.sparkContext.applicationId,
        "executors": [one.cores for one in cluster.executors(spark)],
        "slots": cluster.slots(spark),
        "sum": spark.range(8).selectExpr("sum(id) as total").first().total,
        "page": cluster.page(spark),
        "shown": spark.sparkContext.appName in shown,
        "why": cluster.why_nothing_runs(spark),
    }


def main() -> None:
    # Another process of the test holds the cores or nobody will ever: there is nothing to be patient about.
    cluster.PATIENCE, cluster.STARTING = float(sys.argv[2]), float(sys.argv[3])
    for line in sys.stdin:
        if cluster.SparkSession.getActiveSession() is not None:
            cluster.SparkSession.getActiveSession().stop()
        print(json.dumps(start(sys.argv[1], json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
