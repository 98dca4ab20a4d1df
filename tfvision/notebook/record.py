"""Records of verbs in a notebook: tables, remarks, pictures that were written, links to pages."""

from html import escape
from pathlib import Path

from tfvision.notebook.cards import in_card, line, lines_of, plot, table
from tfvision.report.pictures import embed_plot
from tfvision.system.shown import Record

_PICTURES = (".svg", ".png")


def card_of_record(record: Record) -> str:
    """Return what a notebook shows of a record.

    Args:
        record: From a verb.

    Returns:
        HTML.
    """
    return in_card(show_record(record))


def show_record(record: Record) -> str:
    """Return the content of a record's card."""
    tables, remarks = record.tables(), record.remarks()
    html = [table(each.head, each.rows) for each in tables]
    html += [line(remark) for remark in remarks] if tables else [lines_of(remarks)]
    files = [Path(path) for path in record.written if Path(path).is_file()]
    html += [plot(embed_plot(path), path.stem.replace("_", " ")) for path in files if path.suffix in _PICTURES]
    pages = [path for path in files if path.suffix == ".html"]
    links = (f'<a href="{escape(path.as_posix(), quote=True)}">{escape(str(path))}</a>' for path in pages)
    html += [f'<p class="soft">More in {link}</p>' for link in links]
    return "".join(html)
