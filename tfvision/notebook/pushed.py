"""A run on a hub, in a notebook: the link, and what went there."""

from html import escape

from tfvision.export.hub.push import Pushed
from tfvision.notebook.cards import folded, heading, in_card, line, table
from tfvision.system.terminal import size_text


def card_of_pushed(found: Pushed) -> str:
    """Return what a notebook shows of a push.

    Args:
        found: From `push`.

    Returns:
        HTML.
    """
    link = f'<a href="{escape(found.url, quote=True)}">{escape(found.url)}</a>' if found.url else ""
    rows = [(each.name, size_text(each.size)) for each in found.files]
    html = [heading(found.repo), f"<p>{link}</p>" if link else line(found.headline)]
    html += [line(note, soft=True) for note in found.notes]
    html.append(folded(f"{len(rows)} files, {size_text(found.size)}", table(("file", "size"), rows)))
    return in_card("".join(html))
