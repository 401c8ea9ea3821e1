"""Every notebook runs from top to bottom, says what it promises, refuses wrong parameters, and keeps the house rules.

Small data and a bundle that nobody trained: what is tested is the way, and each notebook asserts its own answers.
"""

import ast
import re
import statistics
import time
from pathlib import Path

import nbformat
import papermill
import pytest

from inferlab import master, standalone, storage
from inferlab.datasets.synthetic import make_flowers

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
ALL = [pytest.param(path, id=path.stem) for path in LESSONS + SOLUTIONS]

SMALL = {"master": "local[2]"}
RUNS = {
    "00_check_the_lab": {},
    "01_load_the_data": {"planted": 45},
    "02_broadcast_the_weights": {"rows": 16, "large_mb": 20},
    "03_row_and_pandas_udfs": {"rows": 48},
    "04_compare": {"rows": "8,24", "strategies": "row_udf,map_in_arrow", "engines": "openvino", "repeats": 1},
    "09_rehearse_gpus": {"seconds": 0.3},
    "01_load_the_data_solutions": {"planted": 45},
    "03_row_and_pandas_udfs_solutions": {"rows": 48},
}


@pytest.fixture(scope="session")
def sample(bundle) -> None:
    """120 flowers and the bundle `flowers`, where `inferlab.samples` looks for them."""
    make_flowers(storage.data() / "flowers", 120, size=(250, 188), progress=False)


@pytest.fixture
def run(sample, tmp_path):
    """Run a notebook in an empty folder; returns the text of all its outputs."""

    def execute(stem: str, **parameters) -> str:
        source = NOTEBOOKS / ("solutions" if stem.endswith("_solutions") else ".") / f"{stem}.ipynb"
        known = papermill.inspect_notebook(source)
        done = papermill.execute_notebook(
            source,
            tmp_path / "done.ipynb",
            {**{name: value for name, value in SMALL.items() if name in known}, **RUNS.get(stem, {}), **parameters},
            cwd=tmp_path,
            kernel_name="python3",
            progress_bar=False,
        )
        return "\n".join(text for cell in done.cells for text in texts(cell))

    return execute


def texts(cell) -> list[str]:
    """The text of each output of a cell."""
    return [
        output["text"] if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", [])
    ]


def row(text: str, name: str) -> list[float]:
    """The numbers of one row of a printed table."""
    (line,) = set(re.findall(rf"^{name}((?: +[\d.]+)+)$", text, re.MULTILINE))
    return [float(number) for number in line.split()]


def test_the_lab_is_found_fit(run):
    told = run("00_check_the_lab")
    assert "This Spark is fit for the lab." in told
    assert "the driver was one of them: False" in told
    assert "120 pictures in" in told


def test_the_data_is_loaded_split_and_cleared_of_what_is_no_picture(run):
    told = run("01_load_the_data")
    assert "120 pictures; the first is bluebell/bluebell_00000.jpg" in told
    assert "4 rejected, as planted; 41 pictures can be scored" in told
    name, content = row(told, "names")[1], row(told, "JPEG bytes")[1]
    assert content > 20 * name
    assert row(told, "pixels, 224 x 224, float32") == [120, 602_112]


def test_weights_travel_once_and_the_three_forms_of_5063_fail_where_they_should(run):
    told = run("02_broadcast_the_weights")
    assert row(told, "each batch") == [16]
    assert row(told, "each task") == [8]
    assert row(told, "each worker")[0] <= 2
    assert "4 pictures scored without the broadcast" in told
    assert told.count("PicklingError: SparkContext can only be used on the driver") == 2
    assert told.count("PythonException: SparkContext can only be used on the driver") == 1


def test_six_ways_give_the_same_answers_with_fewer_calls(run):
    told = run("03_row_and_pandas_udfs")
    ways = ["row_udf", "row_udf_arrow", "pandas_udf", "pandas_udf_iterator", "predict_batch_udf", "map_in_arrow"]
    summary = told[told.rindex("model calls  rows a call") :]
    calls = [row(summary, way)[0] for way in ways]
    assert calls == [48, 48, 4, 4, 4, 4]  # 4 partitions of 12 rows
    assert sum(row(summary, way)[2] for way in ways) <= 2
    assert all(row(summary, way)[3] > 0 for way in ways)


def test_the_comparison_computes_every_row_and_catches_show_1(run, tmp_path):
    told = run("04_compare", out=str(tmp_path / "out"))
    assert "all rows computed in every run: True" in told
    assert "openvino f32: 100.0% of the labels as Keras in f32" in told
    assert {file.name for file in (tmp_path / "out").iterdir()} >= {"run.json", "timings.parquet", "comparison.png"}


def test_gpus_are_rehearsed_shared_and_alone_and_the_cluster_is_ended(run):
    told = run("09_rehearse_gpus")
    assert '{"name": "gpu", "addresses": ["0", "1"]}' in told
    assert "12 tasks, 2 executors, 2 addresses" in told
    assert "most tasks at once on one address: 2" in told
    assert row(told, "decode") == [2]
    assert row(told, "predict") == [1]
    assert told.count("not set") >= 2  # each executor has a worker of its own, and Spark has set nothing there
    assert "Each executor wants 3 GPU, and no worker has more than 2." in told
    assert "the cluster has ended: True" in told


def test_a_rehearsal_that_failed_halfway_can_be_run_again_and_leaves_no_cluster(tmp_path):
    notebook = nbformat.read(NOTEBOOKS / "09_rehearse_gpus.ipynb", 4)
    (session,) = [
        index for index, cell in enumerate(notebook.cells) if "cluster.session(" in cell.source and "Problem" not in cell.source
    ]
    begun = [cell.source for cell in notebook.cells[: session + 1] if cell.cell_type == "code"]
    failing = ["first = running", *begun, "assert running != first", "spark.range(4).count()", "raise OSError('half-way')"]
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in [*begun, *failing]]
    nbformat.write(notebook, tmp_path / "twice.ipynb")
    with pytest.raises(papermill.PapermillExecutionError, match="half-way"):
        papermill.execute_notebook(tmp_path / "twice.ipynb", tmp_path / "done.ipynb", cwd=tmp_path, progress_bar=False)
    deadline = time.monotonic() + 30
    while standalone.find():  # it ends just after the kernel
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_rehearsal_leaves_a_cluster_of_somebody_else_alone(run):
    with standalone.running(workers=1) as theirs:
        with pytest.raises(papermill.PapermillExecutionError) as caught:
            run("09_rehearse_gpus")
        assert caught.value.evalue.startswith(f"A cluster runs already: {theirs.url}.")
        assert [worker.alive for worker in master.ask(theirs.page).workers] == [True]


@pytest.mark.parametrize("stem", [path.stem for path in SOLUTIONS])
def test_solutions_solve_their_exercises(run, stem):
    run(stem)


@pytest.mark.parametrize(
    ("stem", "wrong", "sentence"),
    [
        ("00_check_the_lab", {"master": "spark:7077"}, "master is 'spark:7077'."),
        ("01_load_the_data", {"planted": "many"}, "planted is 'many'."),
        ("02_broadcast_the_weights", {"engine": "abacus"}, "engine is 'abacus'."),
        ("03_row_and_pandas_udfs", {"rows": 3}, "rows is 3."),
        ("09_rehearse_gpus", {"gpus": 1}, "gpus is 1."),
        ("09_rehearse_gpus", {"tasks": 7}, "tasks is 7."),
    ],
)
def test_a_wrong_parameter_stops_the_notebook_with_a_sentence(run, tmp_path, stem, wrong, sentence):
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        run(stem, **wrong)
    assert caught.value.ename == "Problem"
    assert caught.value.evalue.startswith(sentence)
    executed = [cell for cell in nbformat.read(tmp_path / "done.ipynb", 4).cells if cell.get("execution_count")]
    assert len(executed) <= 3  # the parameters, what papermill put in their place, and the check


def test_every_lesson_is_run_here_and_has_solutions():
    assert {path.stem for path in LESSONS} <= set(RUNS)
    assert {f"{path.stem}_solutions" for path in LESSONS} == {path.stem for path in SOLUTIONS}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_its_parts(path):
    prose = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    assert prose[0].startswith(f"# {path.stem[:2]} ")
    assert "**You will learn**" in prose[0]
    assert re.search(r"\d+ minutes", prose[0])
    headings = [line for text in prose for line in text.splitlines() if line.startswith("## ")]
    assert headings[0] == "## Parameters"
    last = ["## What you saw", "## Exercises"] + ["## Next"] * (path != LESSONS[-1])
    assert headings[-len(last) :] == last
    promised = re.findall(r"^\d+\. ", prose[0], re.MULTILINE)
    assert len([heading for heading in headings if re.match(r"## \d", heading)]) == len(promised)


@pytest.mark.parametrize("path", ALL)
def test_parameters_are_one_cell_of_plain_literals(path):
    tagged = [cell for cell in nbformat.read(path, 4).cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)


@pytest.mark.parametrize("path", ALL)
def test_cells_are_short_and_prose_outweighs_code(path):
    cells = nbformat.read(path, 4).cells
    lengths = [len([line for line in cell.source.splitlines() if line.strip()]) for cell in code(cells)]
    assert max(lengths) <= 20
    assert statistics.median(lengths) <= 5
    assert sum(length <= 12 for length in lengths) >= 0.8 * len(lengths)
    prose = sum(len(cell.source) for cell in cells if cell.cell_type == "markdown")
    needed = 0.5 if path in SOLUTIONS else 1  # a solution's text is in its lesson
    assert prose >= needed * sum(len(cell.source) for cell in code(cells))


@pytest.mark.parametrize("path", ALL)
def test_what_is_committed_is_complete_and_tied_to_no_machine(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec["name"] == "python3"
    assert notebook.metadata.kernelspec["display_name"] == "Python 3"
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
    for cell in code(notebook.cells):
        assert cell.execution_count, cell.source
        assert all(output.output_type != "error" for output in cell.outputs)
        for text in texts(cell):
            assert not re.search(r"(?<![\w.])/(home|root|work|tmp|opt|usr|var|mnt|Users)/", text), text
            assert "WARN" not in text


def code(cells) -> list:
    return [cell for cell in cells if cell.cell_type == "code"]
