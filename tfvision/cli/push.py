"""The verb push."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_trust, add_verb
from tfvision.config.flags import Parser
from tfvision.system.terminal import console, say_result

_EXAMPLES = (
    "push runs/cells me/cells --dry-run",
    "push runs/cells me/cells --private --export",
    "push runs/cells me/cells --revision v2 --license cc-by-4.0",
)


def add_push(verbs: Verbs) -> None:
    """Add the verb `push`."""
    add_verb(verbs, "push", push, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="run folder")
    command.add_argument("repo", metavar="REPO", help="OWNER/NAME on the hub; made if it is missing")
    command.add_argument("--private", action="store_true", help="make the repository private")
    command.add_argument("--revision", metavar="BRANCH", help="branch; made if it is missing; default the main one")
    command.add_argument("--message", metavar="TEXT", help="what the commit says")
    command.add_argument(
        "--license", metavar="ID", default="", help="licence of the model for its card, such as apache-2.0"
    )
    command.add_argument("--export", action="store_true", help="export a SavedModel first, and push it too")
    command.add_argument(
        "--saved-model", metavar="FOLDER", help="folder of the SavedModel's versions; default saved_models/<run>"
    )
    command.add_argument("--dry-run", action="store_true", help="list what would go, with sizes, and upload nothing")
    add_trust(command)
    add_running(command)


def push(args: argparse.Namespace) -> None:
    """Push a run to the Hugging Face hub: card, model, predictions and scores, no images."""
    from tfvision.export.hub.push import push

    found = push(
        args.run,
        args.repo,
        private=args.private,
        revision=args.revision,
        message=args.message,
        license=args.license,
        export=args.export,
        saved_model=args.saved_model,
        dry_run=args.dry_run,
        trust=args.trust,
    )
    if args.dry_run:
        say_result(found.describe())
    else:
        for note in found.notes:
            console.print(note)
    say_result(found.headline)
