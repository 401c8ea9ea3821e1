"""Print on which machines the tasks of a small job ran, and with which GPU addresses.

hosts.py [GPU_SHARE]      with a share, as 0.5, each task asks for that part of a GPU
"""

import json
import os
import socket
import sys
import time

import pyarrow as pa

from inferlab import cluster

# No task begins before every executor is there: else those that start first do all the work.
wanted = {
    "spark__scheduler__minRegisteredResourcesRatio": "1",
    "spark__scheduler__maxRegisteredResourcesWaitingTime": "60s",
}
if len(sys.argv) > 1:
    wanted |= {"spark__executor__resource__gpu__amount": "1", "spark__task__resource__gpu__amount": sys.argv[1]}
spark = cluster.session(app="hosts", **wanted)


def look(batches):
    from pyspark import TaskContext

    for _ in batches:
        time.sleep(0.2)  # long enough for every slot to have its turn
        gpus = TaskContext.get().resources().get("gpu")
        seen = {"host": socket.gethostname(), "uid": os.getuid(), "gpus": gpus.addresses if gpus else []}
        yield pa.RecordBatch.from_pydict({"seen": [json.dumps(seen)]})


rows = spark.range(0, 24, 1, 24).mapInArrow(look, "seen string").collect()
print(json.dumps([json.loads(row.seen) for row in rows]))
