"""The verb explain."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.options import leaves
from tfvision.data.options import Source
from tfvision.explain.options import ExplainOptions
from tfvision.runs.folder import refuse_missing_model
from tfvision.system.terminal import say_result

_EXAMPLES = (
    "explain runs/cactus photos/ --output explained",
    "explain runs/cactus photo.jpg --method occlusion --target cactus",
)


def add_explain(verbs: Verbs) -> None:
    """Add the verb `explain`."""
    add_verb(verbs, "explain", explain, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("model", metavar="RUN", help="run folder")
    command.add_argument(
        "images", nargs="+", metavar="IMAGES", help="images, or a folder or .zip of them, a CSV, or arrays"
    )
    command.add_argument("--output", metavar="FOLDER", default="explained", help="where to write; default explained")
    add_flags(command, ExplainOptions, [key for key, _, _ in leaves(ExplainOptions)], title="explaining")
    add_flags(command, Source, (), only=("file_column", "pixel_rule", "on_bad"), title="reading images")
    add_running(command)


def explain(args: argparse.Namespace) -> None:
    """Show where the model looked: a map over each image, red where it speaks for the class."""
    options = flags_to_dict(ExplainOptions, vars(args)) | flags_to_dict(Source, vars(args))
    refuse_missing_model(args.model)  # before what works on images is imported
    from tfvision.explain.explain import explain

    images = args.images if len(args.images) > 1 else args.images[0]
    found = explain(args.model, images, output=args.output, **options)
    for name, caption in zip(found.ids, found.captions(), strict=True):
        say_result(f"{name}  {caption}")
