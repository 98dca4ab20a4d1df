"""The verb predict."""

import argparse
import json

from tfvision.cli.verbs import TTA_HELP, Verbs, add_running, add_trust, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.data.options import Source
from tfvision.errors import UsageError
from tfvision.runs.folder import refuse_missing_model
from tfvision.system.terminal import console, say_result

_EXAMPLES = (
    "predict runs/cactus photo.jpg --top 3",
    "predict runs/cactus photos/ --output answers.csv",
)


def add_predict(verbs: Verbs) -> None:
    """Add the verb `predict`."""
    add_verb(verbs, "predict", predict, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="images, or a folder or .zip of them, a CSV that names them, or arrays (.npy, .npz, .h5)",
    )
    command.add_argument("--output", metavar="FILE", help="CSV file with id, predicted and p_<class>, or the box")
    command.add_argument("--top", type=int, metavar="N", help="print the N most probable classes of each image")
    command.add_argument("--json", action="store_true", help="print a JSON object for each image, one a line")
    command.add_argument("--draw", metavar="FOLDER", help="write the images with their boxes there")
    command.add_argument("--tta", metavar="flips|N", help=TTA_HELP)
    add_flags(
        command, Source, (), only=("file_column", "pixel_rule", "on_bad"), title="reading images"
    )  # the others are about labels
    add_trust(command)
    add_running(command)


def predict(args: argparse.Namespace) -> None:
    """Predict the class of images, or the box in them, with a run or a SavedModel."""
    refuse_missing_model(args.model)  # before what works on images is imported
    if args.top is not None and args.top < 1:
        raise UsageError(f"--top {args.top}: expected 1 or more")
    if (args.top or args.json) and (args.output or args.draw):
        raise UsageError(
            "--top and --json are about what is printed, and with --output or --draw nothing is; leave out one"
        )
    console.quiet |= args.json  # so that what is printed can be parsed
    from tfvision.prediction.predict import predict

    source = flags_to_dict(Source, vars(args))
    images = args.images if len(args.images) > 1 else args.images[0]
    found = predict(args.model, images, output=args.output, draw=args.draw, tta=args.tta, trust=args.trust, **source)
    if not (args.output or args.draw):
        lines = map(json.dumps, found.records(args.top)) if args.json else found.lines(args.top or 1)
        for line in lines:
            say_result(line)
