"""The verb certify."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_trust, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.options import leaves
from tfvision.data.options import Source
from tfvision.robustness.options import CertifyOptions
from tfvision.runs.folder import refuse_missing_model
from tfvision.system.terminal import console, say_result

_EXAMPLES = ("certify runs/cactus --sigma 12.75 --samples 1000",)


def add_certify(verbs: Verbs) -> None:
    """Add the verb `certify`."""
    add_verb(verbs, "certify", certify, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument("--data", help="labelled images; without it the run's own test part")
    command.add_argument("--output", metavar="FILE", help="JSON file; a table and a curve are written beside it")
    add_flags(command, CertifyOptions, [key for key, _, _ in leaves(CertifyOptions)], title="smoothing")
    add_flags(command, Source, (), title="reading images")
    add_trust(command)
    add_running(command)


def certify(args: argparse.Namespace) -> None:
    """Certify how far the pixels of an image may change before its class can: randomized smoothing."""
    options = flags_to_dict(CertifyOptions, vars(args))
    refuse_missing_model(args.model)  # before what works on images is imported
    from tfvision.robustness.certify import certify

    found = certify(
        args.model, args.data, output=args.output, trust=args.trust, **options, **flags_to_dict(Source, vars(args))
    )
    say_result(found.describe())
    for path in found.written:
        console.print(f"written: {path}")
