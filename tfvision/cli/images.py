"""Images that evaluate and predict are given."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.config.flags import flags_to_dict
from tfvision.config.options import from_dict
from tfvision.data.options import Source
from tfvision.system.terminal import ProgressLine, console
from tfvision.tasks import has_boxes

TTA_HELP = "test-time augmentation: the mean over the flips that training used, or over N draws of its augmentation"


def images_to_score(args: argparse.Namespace, predictor: Any) -> tuple[str, Any]:
    """Return the name and images of --data, else of the run's test part, or of its validation part without one."""
    if args.data is not None:
        return Path(args.data).name, read_images(args, args.data, predictor, labelled=True)
    from tfvision.runs.folder import open_run
    from tfvision.runs.images import open_part

    run = open_run(args.model)
    name = "test" if "test" in run.metrics else "validation"
    return name, open_part(run, name)


def read_images(args: argparse.Namespace, data: str, predictor: Any, *, labelled: bool) -> Any:
    """Open and scan images for a model, by the rule its own images were read by; say what is left out."""
    from tfvision.data.images.scan import scan
    from tfvision.data.sources.open import open_images

    source = from_dict(Source, flags_to_dict(Source, vars(args)))
    columns = source.columns()
    columns["pixel_rule"] = columns["pixel_rule"] or predictor.facts.pixel_rule
    boxes = has_boxes(predictor.facts.task)
    images = open_images(data, **columns, labelled=labelled, boxes=boxes)
    for note in images.notes:
        console.print(note)
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=source.on_bad, progress=line.report, frames=boxes)
    for image_id, reason in found.unreadable[:20]:
        console.print(f"left out: {image_id}: {reason}")
    if found.unreadable:
        console.print(f"{len(found.unreadable):,} left out")
    return found.images
