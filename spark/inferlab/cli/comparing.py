"""Words for measuring: `compare`."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from inferlab import storage
from inferlab.cli import words


def add(commands) -> None:
    """Define the command."""
    compare = words.command(
        commands, "compare", _compare, "measure strategies and engines on your own files", spark=True, models=True
    )
    compare.description = (
        "One cold and several warm runs of each. Before a table is printed, every row is proved computed and the"
        " predictions are proved equal."
    )
    compare.add_argument("--data", required=True, metavar="DIR", help="a folder of images")
    compare.add_argument("--model", required=True, metavar="NAME", help="a model made by train or import")
    compare.add_argument(
        "--rows",
        type=words.numbers,
        default=(100, 500, 1000),
        metavar="100,500,1000",
        help="rows a run; files are repeated where there are fewer",
    )
    compare.add_argument("--strategies", type=words.listed, metavar="a,b", help="default: all eight")
    compare.add_argument(
        "--engines",
        type=words.listed,
        default=("keras", "openvino"),
        metavar="a,b",
        help="of keras, keras_on_batch, openvino (default: keras,openvino)",
    )
    compare.add_argument(
        "--precision",
        type=words.listed,
        default=("f32",),
        metavar="f32|bf16",
        help="or both: f32,bf16; Keras always computes in f32 (default: f32)",
    )
    compare.add_argument("--repeats", type=int, default=3, help="warm runs of each combination (default: %(default)s)")
    compare.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="for run.json, timings.parquet and comparison.png (default: in the storage)",
    )


def _compare(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab import benchmark, cluster, plots, results
    from inferlab.datasets import folders
    from inferlab.models.bundle import open_bundle
    from inferlab.strategies import STRATEGIES

    pairs = benchmark.pairs(options.engines, options.precision)
    plan = benchmark.Plan(options.rows, options.strategies or tuple(STRATEGIES), pairs, options.repeats)
    bundle = open_bundle(options.model, options.models)
    files = folders.list_files(options.data)
    out = options.out or storage.results() / f"compare-{bundle.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    started = time.perf_counter()
    spark = cluster.session(options.master)
    session_seconds = time.perf_counter() - started
    comparison = benchmark.compare(spark, files, bundle, plan)
    told = results.save(comparison, bundle, out, session_seconds)
    table = results.timings(comparison)
    plots.save(plots.comparison(table, told), out / "comparison.png")
    words.say(options, results.report(table, told))
    words.say(options, f"\nChart: {out / 'comparison.png'}")
    return {
        "best": told["best"],
        "runs": json.loads(table.to_json(orient="records")),
        "agreements": told["agreements"],
        "out": str(out),
    }
