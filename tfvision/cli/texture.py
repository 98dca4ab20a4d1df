"""The verb texture."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_trust, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.options import leaves
from tfvision.data.options import Source
from tfvision.robustness.options import TextureOptions
from tfvision.runs.folder import refuse_missing_model
from tfvision.system.terminal import console, say_result

_EXAMPLES = ("texture runs/one runs/other",)


def add_texture(verbs: Verbs) -> None:
    """Add the verb `texture`."""
    add_verb(verbs, "texture", texture, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("runs", nargs="+", metavar="RUN", help="run folders or SavedModels")
    command.add_argument("--data", help="labelled images; without it the test part that the runs share")
    command.add_argument("--output", metavar="FOLDER", help="where to write texture.json, texture.csv and texture.png")
    add_flags(command, TextureOptions, [key for key, _, _ in leaves(TextureOptions)], title="images")
    add_flags(command, Source, (), title="reading images")
    add_trust(command)
    add_running(command)


def texture(args: argparse.Namespace) -> None:
    """Score runs on images that have lost their colour, texture or shape: what do they look at?"""
    options = flags_to_dict(TextureOptions, vars(args))
    for run in args.runs:
        refuse_missing_model(run)  # before what works on images is imported
    from tfvision.robustness.texture import texture

    found = texture(
        *args.runs, data=args.data, output=args.output, trust=args.trust, **options, **flags_to_dict(Source, vars(args))
    )
    say_result(found.describe())
    for path in found.written:
        console.print(f"written: {path}")
