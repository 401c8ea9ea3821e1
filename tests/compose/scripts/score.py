"""Score the sample pictures, each several times, on the Spark of `SPARK_MASTER`; print a digest of all answers, and who worked.

score.py COPIES      prints {"done": SHARE} while it works, and at the end {"digest", "rows", "hosts"}
"""

import hashlib
import json
import sys
import threading

from inferlab import cluster, samples, strategies
from inferlab.datasets import folders
from inferlab.deployment import deploy
from inferlab.models.bundle import open_bundle

PARTITIONS = 40

spark = cluster.session(app="score")
tracker = spark.sparkContext.statusTracker()
ended = threading.Event()


def tell() -> None:
    """Print how many of the tasks are done, whenever that changes."""
    last = 0
    while not ended.wait(0.2):
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        done = sum(stage.numCompletedTasks for stage in stages if stage and stage.numTasks == PARTITIONS)
        if done != last:
            last = done
            print(json.dumps({"done": done / PARTITIONS}), flush=True)


files = folders.list_files(samples.flowers())
df = folders.to_dataframe(spark, folders.repeated(files, len(files) * int(sys.argv[1])), PARTITIONS)
deployed = deploy(spark, open_bundle("flowers"), "openvino")
threading.Thread(target=tell, daemon=True).start()
answers = strategies.map_in_arrow(df, deployed).toPandas().sort_values(["path", "label"])
ended.set()
told = answers.drop(columns="row", errors="ignore").to_csv(index=False)
hosts = sorted({worker.split(":")[0] for worker in deployed.counts()})
print(json.dumps({"digest": hashlib.sha256(told.encode()).hexdigest(), "rows": len(answers), "hosts": hosts}), flush=True)
