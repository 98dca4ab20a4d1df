"""The verb doctor."""

import argparse

from tfvision.cli.verbs import Verbs, add_verb
from tfvision.config.flags import Parser
from tfvision.errors import RunError
from tfvision.system.files import to_json
from tfvision.system.terminal import console, say_result

_EXAMPLES = (
    "doctor",
    "doctor --json",
)


def add_doctor(verbs: Verbs) -> None:
    """Add the verb `doctor`."""
    add_verb(verbs, "doctor", doctor, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="print everything as one JSON object")
    command.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="after which TensorFlow counts as hanging (120)"
    )
    command.set_defaults(any_backend=True)  # a wrong one is what it is to find


def doctor(args: argparse.Namespace) -> None:
    """Look for what stands in the way of a training, with the commands that mend it."""
    console.quiet |= args.json
    from tfvision.doctor.doctor import doctor

    found = doctor(timeout=args.timeout)
    say_result(to_json(found.to_dict()).rstrip() if args.json else "\n".join(found.lines()))
    if not found.healthy:
        first = found.faults[0]
        raise RunError(f"{found.verdict}; the first: {first.says}{f'; run `{first.remedy}`' * bool(first.remedy)}")
