"""Execute notebooks in place and keep their outputs, without what papermill and the kernel write down about this run.

python jupyterlab/execute.py NOTEBOOK ...      called by `make notebooks`
"""

import sys
from pathlib import Path

import nbformat
import papermill


def execute(path: Path) -> None:
    """Run one notebook from its own folder, with its default parameters, and save it with its outputs."""
    papermill.execute_notebook(path, path, cwd=path.parent, progress_bar=sys.stderr.isatty(), log_output=False)
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = {key: notebook.metadata[key] for key in ("kernelspec", "language_info")}
    notebook.metadata["language_info"] = {"name": "python"}  # the version would change with every reader's Python
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(argument, flush=True)
        execute(Path(argument))
