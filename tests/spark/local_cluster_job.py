"""Run by test_local_cluster.py in a process of its own, for a process has one Spark: prints one line of JSON.

Arguments: the folder of the bundle, the program that finds GPUs, and the files to score.
"""

import json
import os
import sys
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from inferlab import cluster, worker
from inferlab.datasets import folders
from inferlab.deployment import Deployed, deploy
from inferlab.models.bundle import open_bundle
from inferlab.strategies import STRATEGIES


def seen_by_workers(df: DataFrame, deployed: Deployed) -> list[dict]:
    """What worker processes find around them once they have a predictor."""

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        deployed.answer([])
        seen = {"gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "tensorflow": "tensorflow" in sys.modules}
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"seen": [json.dumps(seen)]})

    return [json.loads(row.seen) for row in df.mapInArrow(look, "seen string").distinct().collect()]


def main() -> None:
    folder, discovery, *files = sys.argv[1:]
    spark = cluster.session(
        app="two executors",
        spark__worker__resource__gpu__amount="1",
        spark__worker__resource__gpu__discoveryScript=discovery,
        spark__executor__resource__gpu__amount="1",
        spark__task__resource__gpu__amount="1",
    )
    df = folders.to_dataframe(spark, files, 8)
    deployed = deploy(spark, open_bundle(folder), "openvino")
    told = {"master": spark.sparkContext.master, "slots": cluster.slots(spark), "driver": worker.name(), "answers": {}}
    told["executors"] = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1  # the driver counts too
    for strategy, run in STRATEGIES.items():
        deployed.reset()
        answers = run(df, deployed).toPandas().sort_values("row")
        told["answers"][strategy] = {
            "rows": answers["row"].tolist(),
            "labels": answers["label"].tolist(),
            "scores": answers["score"].astype(float).where(answers["score"].notna(), 0.0).tolist(),
            "errors": answers["error"].tolist(),
            "counts": {name: [count.rows, count.loads] for name, count in deployed.counts().items()},
        }
    told["seen"] = seen_by_workers(df, deployed)
    spark.stop()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
