"""The verb audit."""

import argparse
import sys

from tfvision.audit.options import AuditConfig
from tfvision.cli.train import add_data, data_given
from tfvision.cli.verbs import Verbs, add_print_config, add_running, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.nested import merge
from tfvision.config.options import from_dict, leaves
from tfvision.config.yaml import load_yaml, to_yaml
from tfvision.data.sources.digits import refuse_missing_data

_AUDIT_FLAGS = ["data", "output", "splits", "backbone", "weights", "remove"]

_EXAMPLES = (
    "audit photos/",
    "audit cells.zip --output audits/cells",
)


def add_audit(verbs: Verbs) -> None:
    """Add the verb `audit`."""
    add_verb(verbs, "audit", audit, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("--config", metavar="FILE", help="YAML file of options")
    add_data(command)
    add_print_config(command)
    # An audit continues past whatever is unreadable, so on_bad has no meaning here.
    add_flags(
        command, AuditConfig, _AUDIT_FLAGS, only=[key for key, _, _ in leaves(AuditConfig) if key != "source.on_bad"]
    )
    add_running(command)


def audit(args: argparse.Namespace) -> None:
    """Look for damaged, copied, foreign and wrongly labelled images, and list the clean ones."""
    in_file = load_yaml(args.config) if args.config else {}
    from_dict(AuditConfig, in_file)
    config = from_dict(AuditConfig, merge(in_file, flags_to_dict(AuditConfig, vars(args)) | data_given(args)))
    if args.print_config:
        sys.stdout.write(to_yaml(config, comments=True))
        return
    refuse_missing_data(config.data)  # before what works on images is imported
    from tfvision.audit.audit import audit

    audit(**vars(config))
