"""What the words of all commands share: the parser, its types, and how a person and a script are told things."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from inferlab.errors import Problem

DONE, UNUSABLE, INTERRUPTED = 0, 2, 130

Command = Callable[[argparse.Namespace], dict[str, Any]]


class Parser(argparse.ArgumentParser):
    """Wrong words are a `Problem` like any other: one line, and with --json an object."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise Problem(f"{message[0].upper()}{message[1:]}.", f"See: {self.prog} --help.")


def command(
    parent, name: str, run: Command, help_line: str, description: str = "", *, spark=False, models=False
) -> argparse.ArgumentParser:
    """Define a command below `parent`, and what it calls.

    run: takes the options and returns what --json prints; "exit_code" in it becomes the exit code
    spark, models: whether the command asks for a master, and for the folder of models
    """
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


def say(options: argparse.Namespace, text: str) -> None:
    """Tell a person on standard output; with --json, on standard error, so that the last line stays alone."""
    print(text, file=sys.stderr if options.json else sys.stdout)


def size(text: str) -> tuple[int, int]:
    """The type of "500x375": (width, height)."""
    try:
        width, height = (int(side) for side in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write width x height, like 500x375") from None
    return width, height


def listed(text: str) -> tuple[str, ...]:
    """The type of "a,b"."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str) -> tuple[int, ...]:
    """The type of "400,100": the numbers in their order, each once."""
    try:
        return tuple(sorted({int(word) for word in listed(text)}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} are no numbers; write them like 100,500,1000") from None
