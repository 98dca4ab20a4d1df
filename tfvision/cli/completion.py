"""The verb completion."""

import argparse

from tfvision.cli.verbs import Verbs, add_verb
from tfvision.config.flags import Parser
from tfvision.errors import UsageError
from tfvision.system.terminal import say_result

_EXAMPLES = (
    "completion bash",
    "completion zsh",
    "completion fish",
)


def add_completion(verbs: Verbs) -> None:
    """Add the verb `completion`."""
    add_verb(verbs, "completion", completion, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that is to read what is printed")


def completion(args: argparse.Namespace) -> None:
    """Print what lets a shell complete verbs, flags, values, run folders and files at the TAB key."""
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError:
        raise UsageError("completion needs argcomplete; install it with `pip install 'argcomplete>=3.5'`") from None
    say_result(shellcode(["tfvision"], shell=args.shell).strip())
