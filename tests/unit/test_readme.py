"""What the README promises is there: targets, commands, notebooks, files."""

import re
import shlex
from pathlib import Path

import pytest

from inferlab import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
CODE = re.findall(r"^```(?:bash|text)?\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for block in CODE for line in block.splitlines()]


def test_every_make_target_exists():
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE))  # not "make and git"
    assert named <= TARGETS, f"not in the Makefile: {named - TARGETS}"
    assert {"run", "test"} <= named


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("inferlab ")])
def test_every_command_line_is_understood(command):
    options = cli._parser().parse_args(shlex.split(command)[1:])
    assert callable(options.run)


def test_every_linked_file_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r'src="([^"]+)"', README)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_every_notebook_is_in_the_table():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f"notebooks/{path.name}" in README


def test_help_lists_every_target_that_explains_itself():
    explained = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())
    assert explained == phony
