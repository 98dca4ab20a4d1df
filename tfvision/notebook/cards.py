"""Pieces of HTML for the output of a cell: they take the colours of the notebook around them and need no other file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from tfvision.report.pictures import is_small, thumbnail_uri
from tfvision.system.shown import Shown

_STYLE = """<style>
.tfvision { font: 14px/1.5 system-ui, sans-serif; max-width: 60rem; }
.tfvision h4 { margin: 0 0 .3rem; font-size: 1.05rem; }
.tfvision p { margin: .2rem 0; }
.tfvision .soft { opacity: .7; font-size: .9em; }
.tfvision .big { font-size: 2rem; font-weight: 700; line-height: 1.2; }
.tfvision table { border-collapse: collapse; margin: .4rem 0; }
.tfvision th, .tfvision td { padding: .15rem .8rem .15rem 0; text-align: left; background: none; border: 0; vertical-align: top; }
.tfvision td.number { text-align: right; font-variant-numeric: tabular-nums; }
.tfvision .bar { display: inline-block; height: .7em; min-width: 1px; background: #0072b2; border-radius: 2px; }
.tfvision .row { display: flex; flex-wrap: wrap; gap: .5rem; margin: .3rem 0; align-items: flex-start; }
.tfvision figure { margin: 0; width: 6.5rem; }
.tfvision figure img { display: block; width: 6.5rem; height: 6.5rem; object-fit: contain; background: #8882; border-radius: 3px; }
.tfvision figure img.pixels { image-rendering: pixelated; }
.tfvision figcaption { font-size: .8em; line-height: 1.3; overflow-wrap: anywhere; }
.tfvision pre { margin: .2rem 0; font-size: .85em; white-space: pre-wrap; background: none; }
.tfvision img.plot { max-width: 100%; height: auto; display: block; margin: .4rem 0; border-radius: 4px; }
</style>"""
_BAR = 12  # rem, of the longest bar
_PIXELS = ' class="pixels"'


@dataclass(frozen=True, repr=False)
class Card(Shown):
    """Something to look at: a notebook shows the HTML, a terminal the line of text.

    Attributes:
        text: One line.
        html: The content of the card.
    """

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return in_card(self.html)


def in_card(html: str) -> str:
    """Return HTML with the style of a card around it."""
    return f'{_STYLE}<div class="tfvision">{html}</div>'


def heading(text: str) -> str:
    """Return a heading."""
    return f"<h4>{escape(text)}</h4>"


def line(text: str, *, soft: bool = False) -> str:
    """Return a paragraph."""
    return f'<p class="soft">{escape(text)}</p>' if soft else f"<p>{escape(text)}</p>"


def bars(rows: Mapping[str, float], texts: Sequence[str], *, longest: float | None = None) -> str:
    """Return a table with a bar for each name.

    Args:
        rows: Name to length, 0 and up.
        texts: What stands beside each bar.
        longest: The length of a full bar; that of the longest one if None.

    Returns:
        The table.
    """
    longest = longest or max(rows.values(), default=0) or 1
    cells = [
        f'<tr><td>{escape(name)}</td><td class="number">{escape(text)}</td>'
        f'<td><span class="bar" style="width: {_BAR * length / longest:.2f}rem"></span></td></tr>'
        for (name, length), text in zip(rows.items(), texts, strict=True)
    ]
    return f"<table>{''.join(cells)}</table>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    top = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=number' * bool(place)}>{escape(text)}</td>" for place, text in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def gallery(images: Sequence[np.ndarray], captions: Sequence[str]) -> str:
    """Return images beside each other.

    Args:
        images: uint8 (height, width, 3), RGB, or (height, width, 1).
        captions: What stands below each.

    Returns:
        The row, which breaks where the cell ends.
    """
    tiles = [
        f'<figure><img src="{thumbnail_uri(image)}" alt="{escape(caption, quote=True)}"{_PIXELS * is_small(image)}>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for image, caption in zip(images, captions, strict=True)
    ]
    return f'<div class="row">{"".join(tiles)}</div>'


def folded(title: str, html: str) -> str:
    """Return HTML that opens at a click on its title."""
    return f"<details><summary>{escape(title)}</summary>{html}</details>"


def lines_of(texts: Sequence[str]) -> str:
    """Return lines of plain text, as a terminal shows them."""
    return f"<pre>{escape(chr(10).join(texts))}</pre>"


def plot(uri: str, what: str) -> str:
    """Return a picture as wide as the cell, or nothing without one."""
    return f'<img class="plot" src="{uri}" alt="{escape(what, quote=True)}">' if uri else ""
