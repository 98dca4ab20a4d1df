"""The output of a cell while a verb works: what it prints, what it is doing, and the curves of a training, in place."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfvision.notebook.cards import folded, in_card, line, lines_of, plot
from tfvision.report.pictures import embed_plot

_EVERY_SECONDS, _CURVES_EVERY_SECONDS = 0.5, 3.0


class Output:
    """One output of a cell, which is replaced as the work goes on, and holds its last state in the saved notebook."""

    def __init__(self) -> None:
        from IPython.display import display

        self._lines: list[str] = []
        self._epochs: list[str] = []
        self._rows: Sequence[Mapping[str, Any]] = ()
        self._monitor, self._progress, self._curves = "", "", ""
        self._shown_at = self._drawn_at = 0.0
        self._handle = display(self._content(), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def say(self, text: str) -> None:
        """Add a line."""
        self._lines.append(text)
        self._show(at_once=True)  # what comes next may take long without another word

    def progress(self, text: str) -> None:
        """Replace the line about the work that is being done; "" for none."""
        self._progress = text
        self._show()

    def epoch(self, text: str, rows: Sequence[Mapping[str, Any]], monitor: str) -> None:
        """Add the line of an epoch, and draw the curves of all so far, every few seconds at most."""
        self._epochs.append(text.strip())
        self._rows, self._monitor = rows, monitor
        if time.monotonic() - self._drawn_at > _CURVES_EVERY_SECONDS:
            self._draw()
        self._show()

    def close(self) -> None:
        """Show the last state, which stays in the notebook."""
        self._progress = ""
        if self._rows:
            self._draw()
        self._show(at_once=True)

    def _draw(self) -> None:
        from tfvision.plots.learning_curves import plot_learning_curves  # with matplotlib

        if len(self._rows) > 1:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "curves.svg")
                plot_learning_curves(self._rows, path, monitor=self._monitor)
                self._curves = embed_plot(path)
        self._drawn_at = time.monotonic()

    def _show(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._shown_at > _EVERY_SECONDS:
            self._handle.update(self._content(), raw=True)
            self._shown_at = time.monotonic()

    def _content(self) -> dict[str, str]:
        """Return HTML, and the same in plain text for where there is no front end."""
        html = [lines_of(self._lines)] if self._lines else []
        if self._progress:
            html.append(line(self._progress))
        if self._epochs:
            html += [line(self._epochs[-1]), plot(self._curves, "learning curves")]
            html.append(folded(f"{len(self._epochs)} epoch{'s' * (len(self._epochs) > 1)}", lines_of(self._epochs)))
        plain = [*self._lines, *self._epochs, *([self._progress] if self._progress else [])]
        return {"text/html": in_card("".join(html)), "text/plain": "\n".join(plain) or "tfvision"}
