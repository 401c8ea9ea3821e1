"""The command line: words to calls, and nothing else. Each command lives where its work does."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from inferlab import __version__, progress, storage
from inferlab.errors import Problem

DONE, UNUSABLE, INTERRUPTED = 0, 2, 130

Command = Callable[[argparse.Namespace], dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 2 a request that cannot be served (one line says what and why)."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        options = _parser().parse_args(words)
        if options.json:
            progress.be_quiet()
        told = options.run(options)
    except Problem as problem:
        print(f"inferlab: {problem}", file=sys.stderr)
        if "--json" in words:
            print(json.dumps({"error": {"what": problem.what, "cure": problem.cure}}))
        return UNUSABLE
    except KeyboardInterrupt:
        print("inferlab: interrupted; what was complete before is still there.", file=sys.stderr)
        return INTERRUPTED
    if options.json:
        print(json.dumps(told))
    return int(told.get("exit_code", DONE))


def _doctor(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab import doctor

    try:
        findings = doctor.examine(doctor.session(options.master))
    except Problem as problem:
        findings = doctor.refused(problem)
    _say(options, doctor.report(findings))
    fit = all(finding.ok for finding in findings)
    return {"fit": fit, "findings": [finding._asdict() for finding in findings], "exit_code": DONE if fit else UNUSABLE}


def _make(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab.datasets import synthetic

    folder = Path(options.folder)
    manifest = synthetic.make_flowers(folder, options.count, options.size, seed=options.seed, corrupt=options.corrupt)
    planted = manifest["planted"]
    _say(
        options,
        f"{folder}: {options.count:,} pictures of {', '.join(manifest['classes'])}; {len(planted)} of them broken on purpose.",
    )
    return {"folder": str(folder), "count": options.count, "planted": len(planted)}


def _train(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab.models import training

    bundle = training.train(
        options.data,
        options.name,
        arch=options.arch,
        epochs=options.epochs,
        size=options.size,
        weights=options.weights,
        label_from=options.label_from,
        seed=options.seed,
        models=options.models,
    )
    about = bundle.about
    _say(
        options,
        f"{bundle.folder}: {about['arch']} for {', '.join(bundle.labels)}, {about['accuracy']:.1%} right on"
        f" {about['images']['held-out']} held-out images, {about['seconds']:.0f} s.",
    )
    _say(options, _confusion(bundle.labels, about["confusion"]))
    return {
        "model": bundle.name,
        "accuracy": about["accuracy"],
        "labels": list(bundle.labels),
        "sha256": bundle.sha256,
        "about": about,
    }


def _import(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab.models import importing

    bundle = importing.import_model(
        options.file,
        options.name,
        size=options.size,
        preprocess=options.preprocess,
        labels=options.labels,
        cut=options.cut,
        models=options.models,
    )
    gives = (
        f"probabilities of {', '.join(bundle.labels)}" if bundle.labels else f"embeddings of {bundle.embedding_width} values"
    )
    _say(options, f"{bundle.folder}: uint8 images of {bundle.height} x {bundle.width} pixels in, {gives} out.")
    return {
        "model": bundle.name,
        "labels": list(bundle.labels),
        "embedding_width": bundle.embedding_width,
        "sha256": bundle.sha256,
    }


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
    _say(options, results.report(table, told))
    _say(options, f"\nChart: {out / 'comparison.png'}")
    return {
        "best": told["best"],
        "runs": json.loads(table.to_json(orient="records")),
        "agreements": told["agreements"],
        "out": str(out),
    }


class _Parser(argparse.ArgumentParser):
    """Wrong words are a `Problem` like any other: one line, and with --json an object."""

    def error(self, message: str) -> NoReturn:
        raise Problem(f"{message[0].upper()}{message[1:]}.", f"See: {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="inferlab",
        description="Distributed deep-learning inference on Spark: learn it, measure it, use it.",
        epilog="A first round: inferlab data make flowers flowers --count 1000; inferlab train flowers --name flowers;"
        " inferlab compare --data flowers --model flowers --rows 100,400",
    )
    parser.add_argument("--version", action="version", version=f"inferlab {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    doctor = _command(commands, "doctor", _doctor, "say whether this machine, or a cluster, is fit", spark=True)
    doctor.epilog = "Every finding that is not ok comes with its cure. Exit code 2 when one is not."

    data = commands.add_parser("data", help="make sample data").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    made = data.add_parser("make", help="draw a data set from a seed").add_subparsers(
        title="data sets", required=True, metavar="SET"
    )
    flowers = _command(
        made,
        "flowers",
        _make,
        "photographs of five kinds of flowers",
        "The same seed gives the same bytes, on any machine and any number of cores.",
    )
    flowers.add_argument("folder", metavar="DIR", help="where to; one folder for each kind is made in it")
    flowers.add_argument(
        "--count", type=int, default=1000, help="how many pictures (default: %(default)s, which take 15 s on 2 cores)"
    )
    flowers.add_argument(
        "--size", type=_size, default=(500, 375), metavar="500x375", help="width x height in pixels (default: 500x375)"
    )
    flowers.add_argument("--seed", type=int, default=7, help="another number, other pictures (default: %(default)s)")
    flowers.add_argument(
        "--corrupt",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="plant broken files, like 0.01; _manifest.json says which",
    )

    train = _command(commands, "train", _train, "train a classifier on a folder of images", models=True)
    train.description = "Train on 70 % of the images, chosen by a hash of their names, and measure on the other 30 %."
    train.add_argument("data", metavar="DATA", help="a folder of images; by default each class is a folder in it")
    train.add_argument("--name", required=True, help="the name of the model to make")
    train.add_argument(
        "--arch",
        default="small",
        help="small (from nothing, a minute), mobilenet_v2 or resnet50 (default: %(default)s)",
    )
    train.add_argument("--epochs", type=int, default=12, help="rounds through the training images (default: %(default)s)")
    train.add_argument("--size", type=int, default=128, help="side of the model's input in pixels (default: %(default)s)")
    train.add_argument(
        "--weights", default="imagenet", help="imagenet or random, for mobilenet_v2 and resnet50 (default: %(default)s)"
    )
    train.add_argument(
        "--label-from",
        default="folder",
        metavar="RULE",
        help="folder, or a regular expression with one group for the file's name",
    )
    train.add_argument("--seed", type=int, default=7, help="of weights, order and augmentation (default: %(default)s)")

    imported = _command(commands, "import", _import, "make a Keras model of your own deployable", models=True)
    imported.description = "Put raw uint8 pixels in front of a .keras or .h5 model, and probabilities behind it."
    imported.add_argument("file", metavar="FILE", help="a .keras or .h5 file without Lambda layers")
    imported.add_argument("--name", required=True, help="the name of the model to make")
    imported.add_argument("--size", type=int, help="side of the input in pixels, where the model leaves it open")
    imported.add_argument(
        "--preprocess",
        default="none",
        help="what the model was trained on: none (0 to 255), unit (0 to 1), tf (-1 to 1), caffe (BGR less a mean) or torch",
    )
    imported.add_argument(
        "--labels",
        type=_words,
        default=(),
        metavar="a,b",
        help="one an output; for one sigmoid unit two, the second is the high one",
    )
    imported.add_argument("--cut", action="store_true", help="leave the head off: the model gives embeddings")

    compare = _command(
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
        type=_numbers,
        default=(100, 500, 1000),
        metavar="100,500,1000",
        help="rows a run; files are repeated where there are fewer",
    )
    compare.add_argument("--strategies", type=_words, metavar="a,b", help="default: all eight")
    compare.add_argument(
        "--engines",
        type=_words,
        default=("keras", "openvino"),
        metavar="a,b",
        help="of keras, keras_on_batch, openvino (default: keras,openvino)",
    )
    compare.add_argument(
        "--precision",
        type=_words,
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
    return parser


def _command(
    parent, name: str, run: Command, help_line: str, description: str = "", *, spark=False, models=False
) -> argparse.ArgumentParser:
    parser = parent.add_parser(name, help=help_line, description=description or f"{help_line[0].upper()}{help_line[1:]}.")
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print no bars, and a last line for a machine to read")
    if spark:
        parser.add_argument(
            "--master",
            metavar="URL",
            help="a Spark master (default: SPARK_MASTER, else an embedded Spark on all cores)",
        )
    if models:
        parser.add_argument("--models", type=Path, metavar="DIR", help="where models lie (default: share_storages/models)")
    return parser


def _say(options: argparse.Namespace, text: str) -> None:
    """Tell a person on standard output; with --json, on standard error, so that the last line stays alone."""
    print(text, file=sys.stderr if options.json else sys.stdout)


def _confusion(labels: Sequence[str], confusion: list[list[int]]) -> str:
    width = max(len(label) for label in labels) + 2
    head = " " * width + "".join(f"{label:>{width}}" for label in labels) + "   <- the model says"
    return "\n".join(
        [
            head,
            *(f"{label:{width}}" + "".join(f"{n:{width}}" for n in row) for label, row in zip(labels, confusion, strict=True)),
        ]
    )


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write width x height, like 500x375") from None
    return width, height


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(word) for word in _words(text)}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} are no numbers; write them like 100,500,1000") from None


if __name__ == "__main__":
    sys.exit(main())
