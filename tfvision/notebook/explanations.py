"""Explanations in a notebook: each image beside where the model looked."""

from tfvision.explain.explain import Explanations
from tfvision.explain.methods import EXPLAIN_METHODS
from tfvision.notebook.cards import gallery, in_card, line

_SHOWN = 12


def card_of_explanations(found: Explanations) -> str:
    """Return what a notebook shows of explanations.

    Args:
        found: From `explain`.

    Returns:
        HTML.
    """
    first, overlays, captions = range(min(_SHOWN, len(found))), found.overlays(), found.captions()
    images = [picture for k in first for picture in (found.pixels[k], overlays[k])]
    texts = [text for k in first for text in (found.ids[k], captions[k])]
    said = f"{EXPLAIN_METHODS[found.method].title}{found.where}: red speaks for the class"
    html = [line(said, soft=True), *(line(note, soft=True) for note in found.notes), gallery(images, texts)]
    if len(found) > _SHOWN:
        html.append(line(f"and {len(found) - _SHOWN:,} more", soft=True))
    return in_card("".join(html))
