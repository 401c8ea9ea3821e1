"""Everything that the driver and the executors of Spark Inference Lab share.

The way of a file: `datasets` lists or draws it, `media` turns its bytes into pixels or a reason why not, `worker` keeps
a predictor that `engines` loaded from a `models.bundle`, `strategies` run all that over a DataFrame, `benchmark` measures
them, `results` keeps the numbers, `plots` draws them, and `cli` puts words to it.
"""

__version__ = "0.1.0"
