"""Verbs about what lies on the disk: audit, export, cache, list."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tfvision.audit.options import AuditConfig
from tfvision.cli.verbs import add_print_config, add_running, add_verb, load_tensorflow
from tfvision.config.flags import add_flags, flags_to_dict
from tfvision.config.options import from_dict, leaves, merge
from tfvision.config.yaml import load_yaml, to_yaml
from tfvision.listings import clear_cache, list_backbones, list_cache, list_recipes
from tfvision.system.terminal import console, say_result

_AUDIT_FLAGS = ["data", "output", "splits", "backbone", "weights", "remove"]


def add_audit(verbs: Any) -> None:
    """Add the verb `audit`."""
    command = add_verb(verbs, "audit", audit)
    command.add_argument("--config", metavar="FILE", help="YAML file of options")
    add_print_config(command)
    # The audit goes on whatever is unreadable.
    add_flags(
        command, AuditConfig, _AUDIT_FLAGS, only=[key for key, _, _ in leaves(AuditConfig) if key != "source.on_bad"]
    )
    add_running(command)


def audit(args: argparse.Namespace) -> None:
    """Look for damaged, copied, foreign and wrongly labelled images, and list the clean ones."""
    in_file = load_yaml(args.config) if args.config else {}
    from_dict(AuditConfig, in_file)
    config = from_dict(AuditConfig, merge(in_file, flags_to_dict(AuditConfig, vars(args))))
    if args.print_config:
        sys.stdout.write(to_yaml(config, comments=True))
        return
    if config.weights != "none":
        load_tensorflow(args)
    from tfvision.audit.audit import audit_from_config

    audit_from_config(config)


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


def add_cache(verbs: Any) -> None:
    """Add the verb `cache`."""
    command = add_verb(verbs, "cache", cache)
    command.add_argument("what", choices=("list", "clear"), help="list the stores, or remove them all")


def cache(args: argparse.Namespace) -> None:
    """List or clear what is stored of frozen backbones, in the folder $TFVISION_CACHE."""
    (list_cache if args.what == "list" else clear_cache)()


def add_list_things(verbs: Any) -> None:
    """Add the verb `list`."""
    command = add_verb(verbs, "list", list_things)
    command.add_argument("what", choices=("backbones", "recipes"), help="what to list")


def list_things(args: argparse.Namespace) -> None:
    """List what can be chosen."""
    (list_backbones if args.what == "backbones" else list_recipes)()
