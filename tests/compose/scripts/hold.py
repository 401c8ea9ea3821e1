"""A notebook that computes nothing and keeps its cores: says who it is, and ends when its input is closed.

hold.py NAME       prints {"app", "cores"} or {"refused", "seconds"}
"""

import json
import sys
import time

from inferlab import cluster
from inferlab.errors import Problem

started = time.monotonic()
try:
    spark = cluster.session(app=sys.argv[1])
    cores = cluster.slots(spark)
    total = spark.range(100).selectExpr("sum(id) as total").first().total
    told = {"app": spark.sparkContext.applicationId, "cores": cores, "total": total, "page": cluster.page(spark)}
except Problem as problem:
    told = {"refused": str(problem)}
print(json.dumps({**told, "seconds": time.monotonic() - started}), flush=True)
if "app" in told:
    sys.stdin.read()
