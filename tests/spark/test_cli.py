"""The command line from end to end, as a person types it: processes, files, exit codes, last lines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inferlab import libraries

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def inferlab(lab):
    """Run a command in a storage of its own. Returns exit code, standard output and standard error."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        environment = {**os.environ, "INFERLAB_STORAGE": str(lab), "COLUMNS": "100"}
        command = [sys.executable, "-m", "inferlab.cli", *map(str, words)]
        done = subprocess.run(command, cwd=lab, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def pictures(inferlab, lab) -> Path:
    code, out, _ = inferlab(
        "data", "make", "flowers", lab / "pictures", "--count", "120", "--size", "160x120", "--corrupt", "0.05", "--json"
    )
    assert code == 0
    assert json.loads(out.splitlines()[-1]) == {"folder": str(lab / "pictures"), "count": 120, "planted": 6}
    return lab / "pictures"


@pytest.fixture(scope="module")
def model(inferlab, pictures) -> dict:
    code, out, _ = inferlab("train", pictures, "--name", "flowers", "--size", "64", "--epochs", "1", "--json")
    assert code == 0
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def comparison(inferlab, lab, pictures, model) -> dict:
    words = ("--rows", "30,60", "--strategies", "row_udf,map_in_arrow", "--engines", "openvino", "--repeats", "1")
    code, out, err = inferlab(
        "compare", "--data", pictures, "--model", "flowers", *words, "--master", "local[2]", "--out", lab / "out", "--json"
    )
    assert code == 0, err
    assert len(out.splitlines()) == 1
    return json.loads(out)


def test_a_trained_model_tells_its_held_out_accuracy_and_what_it_rejected(model):
    assert 0 <= model["accuracy"] <= 1
    about = model["about"]
    assert sum(map(sum, about["confusion"])) == about["images"]["held-out"]
    assert sum(about["images"].values()) + sum(about["rejected"].values()) == 120
    assert about["rejected"]


def test_compare_leaves_its_three_files(comparison, lab):
    assert comparison["out"] == str(lab / "out")
    assert {path.name for path in (lab / "out").iterdir()} == {"run.json", "timings.parquet", "comparison.png"}
    assert comparison["best"]["engine"] == "openvino"
    assert {run["kind"] for run in comparison["runs"]} == {"cold", "warm", "limit", "show"}


def test_compare_names_no_machine_in_its_files(comparison, lab):
    text = (lab / "out" / "run.json").read_text()
    assert str(lab) not in text
    assert os.uname().nodename not in text


@pytest.fixture(scope="module")
def ancestor(lab) -> Path:
    """A network like the one this lab descends from: pixels from 0 to 1, one sigmoid unit, an HDF5 file."""
    keras = libraries.keras()
    layers = [keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, "sigmoid")]
    keras.Sequential([keras.Input((48, 48, 3)), *layers]).save(lab / "ancestor.h5")
    return lab / "ancestor.h5"


def test_import_wraps_a_file_of_ones_own(inferlab, ancestor, lab):
    words = ("import", ancestor, "--name", "ancestor", "--preprocess", "unit")
    code, out, err = inferlab(*words, "--labels", "Cat,Dog", "--json")
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["labels"] == ["Cat", "Dog"]
    code, _, err = inferlab(*words, "--labels", "Cat,Dog,Bird")
    assert code == 2
    assert "needs 2 labels" in err
    assert json.loads((lab / "models/ancestor/bundle.json").read_text())["labels"] == ["Cat", "Dog"]


def test_import_can_cut_the_head_off(inferlab, ancestor):
    code, out, err = inferlab("import", ancestor, "--name", "features", "--cut", "--json")
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["embedding_width"] == 4


def test_doctor_finds_this_machine_fit(inferlab):
    code, out, _ = inferlab("doctor", "--master", "local[2]", "--json")
    told = json.loads(out.splitlines()[-1])
    assert told["fit"] is (code == 0)
    assert all(finding["cure"] for finding in told["findings"] if not finding["ok"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "nowhere", "--name", "x"), "There is no folder"),
        (("compare", "--data", ".", "--model", "nobody"), "There is no model 'nobody'"),
        (("compare", "--data", ".", "--model", "m", "--rows", "many"), "are no numbers"),
        (("compare", "--data", ".", "--model", "m", "--strategies", "magic"), "There is no strategy magic"),
        (("compare", "--data", ".", "--model", "m", "--precision", "f8"), "There is no precision 'f8'"),
        (("data", "make", "flowers", "x", "--count", "0"), "0"),
        (("data", "make", "flowers", "x", "--size", "big"), "is no size"),
        (("import", "nowhere.keras", "--name", "x"), "There is no file"),
        (("frobnicate",), "invalid choice"),
    ],
)
def test_a_request_that_cannot_be_served_is_one_line_and_exit_code_2(inferlab, words, sentence):
    code, out, err = inferlab(*words, "--json")
    assert code == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1, err
    told = json.loads(out.splitlines()[-1])
    assert told["error"]["cure"]


def test_help_teaches(inferlab):
    code, out, _ = inferlab("compare", "--help")
    assert code == 0
    assert "proved equal" in " ".join(out.split())
    code, out, _ = inferlab()
    assert "A first round" in out
