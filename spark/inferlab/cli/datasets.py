"""Words for data sets: `data make`."""

import argparse
from pathlib import Path
from typing import Any

from inferlab.cli import words


def add(commands) -> None:
    """Define the commands."""
    data = commands.add_parser("data", help="make sample data").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    made = data.add_parser("make", help="draw a data set from a seed").add_subparsers(
        title="data sets", required=True, metavar="SET"
    )
    flowers = words.command(
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
        "--size", type=words.size, default=(500, 375), metavar="500x375", help="width x height in pixels (default: 500x375)"
    )
    flowers.add_argument("--seed", type=int, default=7, help="another number, other pictures (default: %(default)s)")
    flowers.add_argument(
        "--corrupt",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="plant broken files, like 0.01; _manifest.json says which",
    )


def _make(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab.datasets import synthetic

    folder = Path(options.folder)
    manifest = synthetic.make_flowers(folder, options.count, options.size, seed=options.seed, corrupt=options.corrupt)
    planted = manifest["planted"]
    words.say(
        options,
        f"{folder}: {options.count:,} pictures of {', '.join(manifest['classes'])}; {len(planted)} of them broken on purpose.",
    )
    return {"folder": str(folder), "count": options.count, "planted": len(planted)}
