"""What verbs share: how they are added, and their common flags."""

import argparse
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tfvision.config.flags import Parser

# Where a verb is added. A string, since argparse's class takes no parameters when it runs, and has no public name.
Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"
TTA_HELP = "test-time augmentation: the mean over the flips that training used, or over N draws of its augmentation"


def add_verb(
    verbs: Verbs,
    name: str,
    function: Callable[[argparse.Namespace], None],
    fill: Callable[[Parser], None],
    examples: Sequence[str],
) -> None:
    """Add a verb, whose help is the docstring of its function.

    Args:
        verbs: Where the verb is added.
        name: The word after `tfvision`.
        function: Called with the parsed flags.
        fill: Adds the flags of the verb to its parser; called when the verb is used.
        examples: Commands as people type them, without `tfvision`, for the help.
    """
    # The usage line that argparse writes for a hundred flags buries the list of them.
    usage = None
    if name in ("train", "crossval", "learning-curve", "search", "lr-find", "audit"):
        usage = "%(prog)s [--config FILE] [--data DATA] [options]"
    shown = "\n".join(f"  tfvision {example}" for example in examples)
    description = f"{function.__doc__}\n\nexamples:\n{shown}"
    command = verbs.add_parser(name, help=function.__doc__, description=description, usage=usage, fill=fill)
    command.set_defaults(verb=function, parser=command)


def add_print_config(command: Parser) -> None:
    """Add `--print_config`."""
    command.add_argument(
        "--print_config",
        "--print-config",
        action="store_true",
        help="print all options as YAML with their help, and stop",
    )


def add_trust(command: Parser) -> None:
    """Add `--trust`, of the verbs that load SavedModels."""
    command.add_argument(
        "--trust",
        action="store_true",
        help="load a SavedModel even if its graph might read files, open connections or run Python",
    )


def add_running(command: Parser, *, computes: bool = True) -> None:
    """Add the flags that say how to run, on which no result depends.

    Args:
        command: The parser of a verb.
        computes: Whether the verb runs a model, and so takes `--device`.
    """
    group = command.add_argument_group("running")
    if computes:
        group.add_argument("--device", metavar="NAME", help="cpu, gpu or gpu:1; default the first GPU, else the CPU")
    group.add_argument("--quiet", action="store_true", help="print only results and errors")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
