"""The verb compare."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser
from tfvision.system.terminal import console, say_result

_EXAMPLES = (
    "compare runs/one runs/other",
    "compare runs/one_seeds runs/other_seeds --output comparison",
)


def add_compare(verbs: Verbs) -> None:
    """Add the verb `compare`."""
    add_verb(verbs, "compare", compare, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="run folders, CSV files of `evaluate --predictions`, or folders of `train --seeds`; compared with the first",
    )
    command.add_argument(
        "--common", action="store_true", help="where tests differ, compare on the images in all of them"
    )
    command.add_argument("--output", metavar="FOLDER", help="where to write comparison.csv and comparison.svg")
    add_running(command, computes=False)


def compare(args: argparse.Namespace) -> None:
    """Compare runs with the first on the same test images, by a paired bootstrap."""
    from tfvision.comparison.compare import compare

    found = compare(*args.runs, common=args.common, output=args.output)
    say_result(found.describe())
    for path in found.written:
        console.print(f"written: {path}")
