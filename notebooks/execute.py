"""Execute notebooks and keep them with their outputs, from which the documentation takes its pages.

Give numbers or names, or nothing for all of them:

    python notebooks/execute.py 01 04

Each runs in a temporary folder of its own, offline, and ends in build/notebooks/.
"""

import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).parent
EXECUTED = FOLDER.parent / "build" / "notebooks"


def sources() -> list[Path]:
    """Return the notebooks that people edit, in order: `NN_name.py`."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def execute(source: Path, *, cell_seconds: int = 300) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom.

    Args:
        source: `NN_name.py`.
        cell_seconds: What a cell may take.

    Returns:
        The notebook with its outputs.

    Raises:
        CellExecutionError: A cell failed.
        CellTimeoutError: A cell took too long.
    """
    from nbclient import NotebookClient  # which the documentation, whose hook imports this file, can do without

    notebook = jupytext.read(source)
    with tempfile.TemporaryDirectory() as folder:
        # A busy machine takes its time to start Python.
        client = NotebookClient(
            notebook,
            timeout=cell_seconds,
            startup_timeout=180,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    return notebook


def write_executed(notebook: nbformat.NotebookNode, name: str, folder: Path = EXECUTED) -> None:
    """Write a notebook with its outputs where the documentation looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


def main(chosen: list[str]) -> None:
    """Execute the notebooks whose names begin with one of some words, or all."""
    for source in sources():
        if not chosen or source.stem.startswith(tuple(chosen)):
            print(source.stem, flush=True)
            write_executed(execute(source), source.stem)


if __name__ == "__main__":
    main(sys.argv[1:])
