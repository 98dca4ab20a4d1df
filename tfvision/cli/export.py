"""The verb export."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.cli.verbs import add_running, add_verb, load_tensorflow
from tfvision.system.terminal import console, say_result


def add_export(verbs: Any) -> None:
    """Add the verb `export`."""
    command = add_verb(verbs, "export", export)
    command.add_argument("run", metavar="RUN", help="run folder")
    command.add_argument("--output", metavar="FOLDER", help="default saved_models/<run>; the version is a folder in it")
    command.add_argument("--data", help="images to compare model and SavedModel on; default the run's test images")
    add_running(command)


def export(args: argparse.Namespace) -> None:
    """Export a run as a SavedModel that takes raw images, and check it in a fresh process."""
    load_tensorflow(args)
    from tfvision.export.export import export_run
    from tfvision.runs.folder import open_run

    run = open_run(args.run)
    output = Path(args.output) if args.output else Path("saved_models") / run.folder.resolve().name
    folder, agreement = export_run(run, output, data=args.data)
    say_result(f"SavedModel: {folder}")
    same = "" if agreement.classes is None else f", same class for {agreement.classes}"
    console.print(
        f"compared with model.keras in a fresh process on {agreement.images} images: "
        f"largest difference {agreement.difference:.1e}{same}"
    )
    if agreement.bytes_agreement is not None:
        console.print(f"serve_bytes (another JPEG decoder, no EXIF): same answer for {agreement.bytes_agreement:.1%}")
