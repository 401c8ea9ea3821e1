"""A driver that does not know the secret. Prints {"in": true} when it may run a job, else the reason."""

import json

from pyspark.sql import SparkSession

try:
    builder = SparkSession.builder.master("spark://spark-master:7077").appName("intruder")
    spark = builder.config("spark.authenticate", "false").config("spark.rpc.askTimeout", "10s").getOrCreate()
    print(json.dumps({"in": True, "sum": spark.range(10).count()}))
except Exception as error:
    print(json.dumps({"in": False, "reason": str(error)[:500]}))
