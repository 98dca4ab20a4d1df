"""The verbs list and cache."""

import argparse
import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from rich.text import Text

from tfvision.cli.verbs import Verbs, add_verb
from tfvision.config.flags import Parser
from tfvision.config.recipes import find_recipe, read_recipe_header, recipes
from tfvision.config.yaml import load_yaml
from tfvision.errors import UsageError, worded
from tfvision.models.backbones.table import BACKBONES
from tfvision.system.terminal import console, say_result, size_text

if TYPE_CHECKING:
    from rich.table import Table


_LISTS = {
    "backbones": f"the {len(BACKBONES)} architectures, with parameters, scaling, stages and whether weights are here",
    "recipes": "the files that reproduce published systems, with the figure that each reached",
}

_EXAMPLES_CACHE = (
    "cache list",
    "cache clear",
)

_EXAMPLES_LIST_THINGS = (
    "list backbones",
    "list recipes",
    "list recipes cactus",
)


def add_cache(verbs: Verbs) -> None:
    """Add the verb `cache`."""
    add_verb(verbs, "cache", cache, _flags_of_cache, _EXAMPLES_CACHE)


def _flags_of_cache(command: Parser) -> None:
    command.add_argument("what", choices=("list", "clear"), help="list the stores, or remove them all")


def cache(args: argparse.Namespace) -> None:
    """List or clear the stored features of frozen backbones, in the folder $TFVISION_CACHE."""
    (list_cache if args.what == "list" else clear_cache)()


def add_list_things(verbs: Verbs) -> None:
    """Add the verb `list`."""
    add_verb(verbs, "list", list_things, _flags_of_list_things, _EXAMPLES_LIST_THINGS)


def _flags_of_list_things(command: Parser) -> None:
    command.add_argument("what", nargs="?", choices=_LISTS, help="what to list; without it, what can be listed")
    command.add_argument("name", nargs="?", metavar="NAME", help="with recipes: the one to print")


def list_things(args: argparse.Namespace) -> None:
    """List what can be chosen."""
    if args.name is not None and args.what != "recipes":
        raise UsageError(
            f"list {args.what} takes no name, got {worded(args.name)}; `tfvision list recipes NAME` prints one"
        )
    if args.what is None:
        for name, what in _LISTS.items():
            say_result(f"tfvision list {name:<10} {what}")
    elif args.what == "backbones":
        list_backbones()
    elif args.name is None:
        list_recipes()
    else:
        path = find_recipe(args.name)
        load_yaml(path)  # says what is wrong with it
        say_result(Text(path.read_text(encoding="utf-8").rstrip()))


def list_recipes() -> None:
    """Print each recipe with the figure that it reached, its verb, and its task unless that is to classify."""
    table = _empty_table("recipe", "reached", "by")
    for name, path in recipes().items():
        header = read_recipe_header(path)
        task = str(load_yaml(path).get("task", "classify"))
        table.add_row(name, header.figure, f"{header.verb} {task}" if task != "classify" else header.verb)
    console.print(table)
    console.print("`tfvision list recipes NAME` prints the file, with what it reproduces")


def list_backbones() -> None:
    """Print the table of backbones: by family, whose stages stand beside its name."""
    from tfvision.models.weights_location import find_weights

    rows: list[tuple[str, ...]] = []
    stages: list[tuple[str, tuple[str, ...]]] = []
    for name, facts in BACKBONES.items():
        here = ("yes" if find_weights(name, "imagenet") else "no") if facts.weights else "none exist"
        sizes = "-".join(str(size) for size in sorted({facts.sizes[0], facts.sizes[-1]}))
        scaling = "built in" if facts.preprocessing == "none" else facts.preprocessing
        size = f"{facts.parameters * 4 / 1e6:,.1f}"
        rows.append((name, f"{facts.parameters:,}", size, sizes, scaling, here))
        stages.append((facts.family, facts.stages))
    header = ("backbone", "parameters", "MB", "pixels", "scaling", "weights")
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    say_result(Text(_aligned(header, widths), style="bold"))
    shown: tuple[str, tuple[str, ...]] = ("", ())
    for row, (family, own) in zip(rows, stages, strict=True):
        if (family, own) != shown:
            say_result(Text(textwrap.fill(f"{family}: {_compact(own)}", 80, subsequent_indent="  ")))
            shown = (family, own)
        say_result(Text(_aligned(row, widths)))
    console.print(
        "beside a family: its stages, for --unfreeze. MB: float32 weights without top. weights: whether those of ImageNet "
        "are on this machine (no: Keras downloads them)"
    )
    console.print(
        "hub/PRESET: any image backbone of KerasHub (extra hub), such as hub/resnet_18_imagenet, or hub/./folder for a "
        "preset on this machine"
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line of the table of backbones: numbers to the right, words to the left."""
    cells = [
        cell.rjust(width) if 1 <= place <= 3 else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return f"  {'  '.join(cells)}".rstrip()


def list_cache() -> None:
    """Print the stores of features, one line each."""
    from tfvision.training.features.store import list_stores, stores_folder

    stores = list_stores()
    table = _empty_table("store", "images", "size", "last written", "trunk")
    for facts in stores:
        when = f"{datetime.fromtimestamp(facts.written):%Y-%m-%d %H:%M}"
        table.add_row(facts.name[:8], f"{facts.rows:,}", size_text(facts.size), when, facts.what)
    if stores:
        say_result(table)
    total = size_text(sum(facts.size for facts in stores))
    say_result(f"{len(stores)} stores of features, {total}, in {stores_folder()}")


def clear_cache() -> None:
    """Remove all stores."""
    from tfvision.training.features.store import clear_stores, stores_folder

    count, size = clear_stores()
    say_result(f"{count} stores of features removed from {stores_folder()}, {size_text(size)}")


def _empty_table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        side: Literal["left", "right"] = "right" if column in ("images", "size") else "left"
        table.add_column(column, justify=side, no_wrap=column != "trunk")
    return table


def _compact(stages: Sequence[str]) -> str:
    """Write `block_1 block_2 ... block_16` as `block_1..16`."""
    shown: list[list[str]] = []
    for stage in stages:
        if shown and shown[-1][-1].rstrip("0123456789") == stage.rstrip("0123456789") != stage:
            shown[-1].append(stage)
        else:
            shown.append([stage])
    return " ".join(
        run[0] if len(run) == 1 else f"{run[0]}..{run[-1][len(run[-1].rstrip('0123456789')) :]}" for run in shown
    )
