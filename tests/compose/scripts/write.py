"""Let executors write files into the storage, and print where."""

from inferlab import cluster, storage

spark = cluster.session(app="write")
target = storage.results() / "written"
spark.range(1000).repartition(4).write.mode("overwrite").parquet(str(target))
assert spark.read.parquet(str(target)).count() == 1000
print(target.relative_to(storage.root()))
