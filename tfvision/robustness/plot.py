"""Plot accuracy against the severity of corruptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfvision.plots.figure import CLASS_COLOURS, INK, draw_legend, new_figure, save, set_title


def plot_corruptions(accuracies: Mapping[str, Sequence[float]], clean: float, path: Path | str) -> None:
    """Draw a line for each corruption, starting at the clean accuracy.

    Args:
        accuracies: Corruption to accuracy at severity 1, 2, ...
        clean: Accuracy on the unchanged images, drawn at severity 0.
        path: The PNG file to write.

    Raises:
        WriteError: The file cannot be written.
    """
    figure, (axes,) = new_figure(8, 4.6)
    last = 0
    for place, (name, values) in enumerate(sorted(accuracies.items(), key=lambda item: -item[1][-1])):
        style = "-" if place % 2 == 0 else "--"
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        axes.plot(range(len(values) + 1), [clean, *values], style, color=colour, marker="o", markersize=4, label=name)
        last = max(last, len(values))
    axes.axhline(clean, color=INK, linewidth=1, linestyle=":")
    axes.set_xticks(range(last + 1), ["clean", *map(str, range(1, last + 1))])
    axes.set_xlabel("severity")
    axes.set_ylabel("accuracy")
    axes.set_ylim(top=1.02)
    set_title(axes, "Accuracy under corruption, the hardest last")
    draw_legend(axes, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)
