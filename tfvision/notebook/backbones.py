"""The backbones in a notebook: a table with the parameters, sizes and weights of each."""

from tfvision.models.backbones.table import Backbones
from tfvision.models.weights_location import find_weights
from tfvision.notebook.cards import in_card, line, table


def card_of_backbones(backbones: Backbones) -> str:
    """Return what a notebook shows of `tfvision.BACKBONES`.

    Args:
        backbones: The table.

    Returns:
        HTML.
    """
    rows = []
    for name, facts in backbones.items():
        here = ("yes" if find_weights(name, "imagenet") else "no") if facts.weights else "none exist"
        rows.append((name, facts.family, f"{facts.parameters:,}", f"{facts.sizes[0]}-{facts.sizes[-1]}", here))
    note = (
        'build_classifier takes the name, and unfreeze a stage of BACKBONES["vgg16"].stages. Weights: whether those of '
        "ImageNet are on this machine; Keras downloads them where not."
    )
    return in_card(table(("backbone", "family", "parameters", "pixels", "weights"), rows) + line(note, soft=True))
