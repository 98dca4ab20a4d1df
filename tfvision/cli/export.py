"""The verb export."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_trust, add_verb
from tfvision.config.flags import Parser
from tfvision.system.terminal import console, say_result

_EXAMPLES = ("export runs/cactus --output saved_models/cactus",)


def add_export(verbs: Verbs) -> None:
    """Add the verb `export`."""
    add_verb(verbs, "export", export, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="run folder")
    command.add_argument("--output", metavar="FOLDER", help="default saved_models/<run>; the version is a folder in it")
    command.add_argument(
        "--data", help="images to compare model and SavedModel on; default up to 400 of the run's own, test first"
    )
    add_trust(command)
    add_running(command)


def export(args: argparse.Namespace) -> None:
    """Export a run as a SavedModel that takes raw images, and check it in a fresh process."""
    from tfvision.export.export import export

    found = export(args.run, args.output, data=args.data, trust=args.trust)
    folder, *checked = found.remarks()
    say_result(folder)
    console.print("\n".join(checked))
