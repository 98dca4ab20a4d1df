"""The notebooks: source and .ipynb agree, nothing that ran is stored, all of them run offline, and their pages are true."""

import ast
import os
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
sys.path.insert(0, str(FOLDER))
from execute import execute, sources, write_executed  # noqa: E402
from notebook_pages import page  # noqa: E402

SOURCES = sources()
assert len(SOURCES) >= 4, "the notebooks are lost"
by_name = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


def test_each_has_a_number_and_a_pair() -> None:
    assert [source.name[:2] for source in SOURCES] == [f"{k:02}" for k in range(1, len(SOURCES) + 1)]
    assert {source.stem for source in SOURCES} == {path.stem for path in FOLDER.glob("*.ipynb")}


@by_name
def test_the_pair_agrees_and_holds_no_output(source: Path) -> None:
    """Mended by `jupytext --to ipynb --update notebooks/NN_name.py`; of one that was run, the .ipynb is deleted first."""
    written, stored = jupytext.read(source), nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(stored)
    assert [(cell.cell_type, cell.source) for cell in stored.cells] == [(c.cell_type, c.source) for c in written.cells]
    assert stored.metadata.kernelspec == written.metadata.kernelspec
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert not [cell for cell in code if cell.outputs or cell.execution_count]


@by_name
def test_it_begins_with_a_title_and_an_installation_and_ends_with_something_to_try(source: Path) -> None:
    cells = jupytext.read(source).cells
    assert (
        cells[0].source.startswith("# ")
        and cells[-1].cell_type == "markdown"
        and "## Something to try" in cells[-1].source
    )
    first, *others = [cell.source for cell in cells if cell.cell_type == "code"]
    # Where tfvision is installed nothing happens.
    guard = ast.parse(first).body[0]
    assert isinstance(guard, ast.Try) and ast.unparse(guard.body[0]) == "import tfvision"
    assert "'pip'" in ast.unparse(guard.handlers[0]) and "install -q" in ast.unparse(guard.handlers[0])
    assert not [cell for cell in others if "install" in cell]


@pytest.mark.slow
@by_name
def test_it_runs_offline(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFVISION_WEIGHTS", raising=False)
    notebook = execute(source)
    assert any(cell.get("outputs") for cell in notebook.cells)
    if folder := os.environ.get("TFVISION_NOTEBOOKS"):  # where the documentation finds them
        write_executed(notebook, source.stem, Path(folder))


def test_a_page_shows_outputs_only_of_the_code_above_them(tmp_path: Path) -> None:
    source = tmp_path / "01_small.py"
    source.write_text("# %% [markdown]\n# # Small\n\n# %%\nprint(1 < 2)\n")
    alone = page(source, tmp_path / "executed")
    assert "# Small" in alone and "```python\nprint(1 < 2)\n```" in alone and "Shown without outputs" in alone
    notebook = jupytext.read(source)
    card = '<div class="tfvision">a\n\nb <a href="runs/x/report.html">page</a></div>'
    notebook.cells[1].outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="\x1b[1mTrue\x1b[0m & <so>\n"),
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
        nbformat.v4.new_output("display_data", data={"text/html": card, "text/plain": "plain"}),
    ]
    write_executed(notebook, source.stem, tmp_path / "executed")
    whole = page(source, tmp_path / "executed")
    assert (
        '<pre class="output">True &amp; &lt;so&gt;</pre>' in whole and '<div class="tfvision">a\nb page</div>' in whole
    )
    assert "plain" not in whole and "a warning" not in whole and "Shown without" not in whole
    source.write_text(source.read_text().replace("1 < 2", "1 < 3"))
    assert page(source, tmp_path / "executed").count("Shown without outputs") == 1
