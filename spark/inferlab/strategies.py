"""The ways to run a bundle over a DataFrame, side by side.

Each strategy is a function `(df, deployed) -> df`: `df` has a column `path` (string) or `content` (binary; preferred when
both are there), and the result has the columns of `deployed.schema` behind those of `df`. They differ only in how rows
reach `deployed.answer`: how many at a time, in what form, and through which of Spark's doors.
"""

import atexit
import shutil
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.ml.functions import predict_batch_udf as spark_predict_batch_udf
from pyspark.sql import Column, DataFrame
from pyspark.sql.functions import col, udf, when
from pyspark.sql.functions import pandas_udf as spark_pandas_udf
from pyspark.sql.types import StructType

from inferlab import storage
from inferlab.deployment import Deployed
from inferlab.media import Rejected, image

Strategy = Callable[[DataFrame, Deployed], DataFrame]


def python_loop(df: DataFrame, deployed: Deployed) -> DataFrame:
    """No Spark: the driver collects the rows and scores them in its own process, with all its cores for the model."""
    rows = df.toPandas()
    columns = deployed.answer_on_driver(list(rows[_source(df)])).columns()
    return df.sparkSession.createDataFrame(rows.assign(**columns), _schema(df, deployed))


def row_udf(df: DataFrame, deployed: Deployed) -> DataFrame:
    """One row a call, rows pickled: Spark's oldest door. The model never sees more than one image."""

    @udf(deployed.schema, useArrow=False)
    def classify(source):
        return _row(deployed, source)

    return _with_answers(df, classify(_source(df)))


def row_udf_arrow(df: DataFrame, deployed: Deployed) -> DataFrame:
    """One row a call, rows sent as Arrow batches: Spark's default for `udf` since 4.2. Cheaper to send, same to compute."""

    @udf(deployed.schema, useArrow=True)
    def classify(source):
        return _row(deployed, source)

    return _with_answers(df, classify(_source(df)))


def pandas_udf(df: DataFrame, deployed: Deployed) -> DataFrame:
    """A Series a call, one for each Arrow batch: the model sees batches, and asks for its predictor at each."""

    @spark_pandas_udf(deployed.schema)
    def classify(sources: pd.Series) -> pd.DataFrame:
        return pd.DataFrame(deployed.answer(sources.array).columns())

    return _with_answers(df, classify(_source(df)))


def pandas_udf_iterator(df: DataFrame, deployed: Deployed) -> DataFrame:
    """An iterator of Series a task: what is dear can be made before the loop, once for all batches of the task."""

    @spark_pandas_udf(deployed.schema)
    def classify(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for sources in batches:
            yield pd.DataFrame(deployed.answer(sources.array).columns())

    return _with_answers(df, classify(_source(df)))


def predict_batch_udf(df: DataFrame, deployed: Deployed) -> DataFrame:
    """Spark's own helper for inference: it cuts the Arrow batches to the model's size and keeps the model for us."""

    embeds = deployed.spec.output == "embedding"

    def make_predict():
        def predict(sources: np.ndarray) -> dict[str, np.ndarray]:
            answers = deployed.answer(sources)
            # Spark takes the vectors as one table, which has no place for a missing one.
            return answers.columns() | ({"embedding": answers.values} if embeds else {})

        return predict

    classify = spark_predict_batch_udf(make_predict, return_type=deployed.schema, batch_size=deployed.spec.batch_size)
    answered = _with_answers(df, classify(_source(df)))
    return answered.withColumn("embedding", when(col("error").isNull(), col("embedding"))) if embeds else answered


def map_in_arrow(df: DataFrame, deployed: Deployed) -> DataFrame:
    """Arrow batches in, Arrow batches out: all columns pass through Python, and nothing becomes pandas on the way."""
    source, schema = _source(df), _schema(df, deployed)

    def classify(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = deployed.answer(batch.column(source).to_pylist()).columns()
            added = [pa.array(values, _arrow_type(name)) for name, values in columns.items()]
            yield pa.RecordBatch.from_arrays([*batch.columns, *added], names=schema.names)

    return df.mapInArrow(classify, schema)


def decoded_parquet(df: DataFrame, deployed: Deployed) -> DataFrame:
    """Decode first, to Parquet with one float for each colour of each pixel, and score that: system 2's way.

    A 192 x 192 image is 442 KB of floats where its JPEG has 20 to 50 KB: written, read, and sent to Python.
    """
    spec = deployed.spec

    @spark_pandas_udf("pixels array<float>, error string")
    def decode(sources: pd.Series) -> pd.DataFrame:
        return pd.DataFrame([_floats(source, spec.height, spec.width) for source in sources], columns=["pixels", "error"])

    @spark_pandas_udf(deployed.schema)
    def classify(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        for pixels, errors in batches:
            arrays = [None if p is None else p.reshape(spec.height, spec.width, 3).astype(np.uint8) for p in pixels]
            answers = deployed.answer(arrays)
            answers.errors = np.where(errors.isna(), answers.errors, errors.to_numpy())
            yield pd.DataFrame(answers.columns())

    folder = storage.scratch() / f"decoded-{spec.bundle}-{spec.height}x{spec.width}"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    decoded = df.withColumn("_decoded", decode(_source(df))).select(*df.columns, "_decoded.*")
    # Parquet looks at the size of what it holds every 100 rows, by default: 44 MB of floats. Look at every eighth.
    writer = decoded.write.option("parquet.block.size", 2**24).option("parquet.enable.dictionary", "false")
    writer = writer.option("parquet.page.size.row.check.min", 8).option("parquet.page.size.row.check.max", 8)
    writer = writer.option("parquet.block.size.row.check.min", 8).option("parquet.block.size.row.check.max", 8)
    writer.mode("overwrite").parquet(str(folder))
    rows = df.sparkSession.read.parquet(str(folder))
    return rows.withColumn("_answer", classify("pixels", "error")).select(*df.columns, "_answer.*")


STRATEGIES: dict[str, Strategy] = {
    strategy.__name__: strategy
    for strategy in (
        python_loop,
        row_udf,
        row_udf_arrow,
        pandas_udf,
        pandas_udf_iterator,
        predict_batch_udf,
        map_in_arrow,
        decoded_parquet,
    )
}


def _source(df: DataFrame) -> str:
    return "content" if "content" in df.columns else "path"


def _schema(df: DataFrame, deployed: Deployed) -> StructType:
    return StructType([*df.schema.fields, *deployed.schema.fields])


def _with_answers(df: DataFrame, answer: Column) -> DataFrame:
    return df.withColumn("_answer", answer).select(*(col(name) for name in df.columns), "_answer.*")


def _row(deployed: Deployed, source: str | bytes) -> dict:
    answer = {name: values[0] for name, values in deployed.answer([source]).columns().items()}
    return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in answer.items()}


def _arrow_type(name: str) -> pa.DataType:
    return {"score": pa.float32(), "embedding": pa.list_(pa.float32())}.get(name, pa.string())


def _floats(source: str | bytes | None, height: int, width: int) -> tuple[np.ndarray | None, str | None]:
    pixels = image.load(source, height, width)
    return (None, str(pixels)) if isinstance(pixels, Rejected) else (pixels.astype(np.float32).ravel(), None)
