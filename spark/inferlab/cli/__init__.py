"""The command line: words to calls, and nothing else. Each command lives where its work does."""

import json
import sys
from collections.abc import Sequence

from inferlab import __version__, progress
from inferlab.cli import clusters, comparing, datasets, models, words
from inferlab.errors import Problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 2 a request that cannot be served (one line says what and why)."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        options = _parser().parse_args(given)
        if options.json:
            progress.be_quiet()
        told = options.run(options)
    except Problem as problem:
        print(f"inferlab: {problem}", file=sys.stderr)
        if "--json" in given:
            print(json.dumps({"error": {"what": problem.what, "cure": problem.cure}}))
        return words.UNUSABLE
    except KeyboardInterrupt:
        print("inferlab: interrupted; what was complete before is still there.", file=sys.stderr)
        return words.INTERRUPTED
    if options.json:
        print(json.dumps(told))
    return int(told.get("exit_code", words.DONE))


def _parser() -> words.Parser:
    parser = words.Parser(
        prog="inferlab",
        description="Distributed deep-learning inference on Spark: learn it, measure it, use it.",
        epilog="A first round: inferlab data make flowers flowers --count 1000; inferlab train flowers --name flowers;"
        " inferlab compare --data flowers --model flowers --rows 100,400",
    )
    parser.add_argument("--version", action="version", version=f"inferlab {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    for group in (clusters, datasets, models, comparing):
        group.add(commands)
    return parser
