"""A hook of MkDocs: each notebook as a page, with its outputs if `notebooks/execute.py` left them, else with its code alone.

Outputs are shown only below the code that made them: what was executed before an edit counts as not executed.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jupytext
import nbformat
from execute import EXECUTED, sources

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

SECTION = "Notebooks"  # of `nav` in mkdocs.yml
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # of a terminal
_LOCAL_LINK = re.compile(r'<a [^>]*href="(?!https?:)[^"]*"[^>]*>(.*?)</a>', re.DOTALL)  # to files of the run
_CODE_ALONE = "*Shown without outputs: `python notebooks/execute.py` makes them.*"


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Enter the notebooks in the menu, in order."""
    for section in config.nav or []:
        if SECTION in section:
            section[SECTION] = [{_title(source): f"notebooks/{source.stem}.md"} for source in sources()]
    return config


def on_files(files: "Files", *, config: "MkDocsConfig") -> "Files":
    """Add a page for each notebook."""
    from mkdocs.structure.files import File

    for source in sources():
        files.append(File.generated(config, f"notebooks/{source.stem}.md", content=page(source)))
    return files


def page(source: Path, executed: Path = EXECUTED) -> str:
    """Return a notebook as Markdown, with the HTML of its outputs.

    Args:
        source: `NN_name.py`.
        executed: The folder of notebooks with outputs.

    Returns:
        The page.
    """
    notebook = jupytext.read(source)
    cells = [cell for cell in notebook.cells if cell.source.strip()]
    outputs = _outputs([cell.source for cell in cells if cell.cell_type == "code"], executed / f"{source.stem}.ipynb")
    parts = []
    for cell in cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts.append(f"```python\n{cell.source}\n```")
            parts += [shown for output in next(outputs, ()) if (shown := _output(output))]
    if not any('class="output"' in part for part in parts):
        parts.insert(1, _CODE_ALONE)
    return "\n\n".join(parts) + "\n"


def _outputs(code: list[str], path: Path) -> Iterator[list[nbformat.NotebookNode]]:
    """Return the outputs of each cell of code, or nothing if they are of other code."""
    done = nbformat.read(path, as_version=4).cells if path.is_file() else []
    ran = [cell for cell in done if cell.cell_type == "code" and cell.source.strip()]
    return iter([cell.outputs for cell in ran] if [cell.source for cell in ran] == code else [])


def _output(output: nbformat.NotebookNode) -> str:
    """Return an output as a block of HTML: a card, or text as it was printed; warnings of libraries are left out."""
    if output.output_type == "stream":
        return _text(output.text) if output.name == "stdout" else ""
    data = output.get("data", {})
    if "text/html" in data:
        whole = re.sub(r"\n\s*\n", "\n", data["text/html"])  # Markdown ends a block of HTML at an empty line
        return '<div class="output">' + _LOCAL_LINK.sub(r"\1", whole) + "</div>"
    return _text(data["text/plain"]) if "text/plain" in data else ""


def _text(text: str) -> str:
    plain = html.escape(_COLOURS.sub("", text).strip("\n"))
    return f'<pre class="output">{plain}</pre>' if plain else ""


def _title(source: Path) -> str:
    found = re.search(r"^# # (.+)$", source.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else source.stem
