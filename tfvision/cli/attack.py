"""The verb attack."""

import argparse

from tfvision.cli.verbs import Verbs, add_running, add_verb
from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.data.options import Source
from tfvision.robustness.attack_options import AttackOptions
from tfvision.runs.folder import refuse_missing_model
from tfvision.system.terminal import console, say_result

_EXAMPLES = ("attack runs/cactus --method pgd --epsilon 0.5,1,2,4",)


def add_attack(verbs: Verbs) -> None:
    """Add the verb `attack`."""
    add_verb(verbs, "attack", attack, _add_flags, _EXAMPLES)


def _add_flags(command: Parser) -> None:
    command.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folders; the first is attacked, others for transfer"
    )
    command.add_argument(
        "--method",
        default="fgsm,pgd",
        metavar="NAMES",
        help="all, or some of fgsm,pgd,apgd,apgd-ce,apgd-dlr,cw,patch,square,transfer,random (default fgsm,pgd)",
    )
    command.add_argument(
        "--epsilon",
        default="0.25,0.5,1,2,4,8",
        metavar="NUMBERS",
        help="budgets in pixel units 0..255; whole ones are rounded to uint8 (default 0.25,0.5,1,2,4,8)",
    )
    command.add_argument("--data", help="labelled images; without it the run's own test part")
    command.add_argument("--output", metavar="FILE", help="JSON file for the scores; table and pictures beside it")
    add_flags(command, AttackOptions, ("norm", "limit", "seed", "steps", "restarts"))
    add_flags(command, Source, (), title="reading images")
    add_running(command)


def attack(args: argparse.Namespace) -> None:
    """Attack a run as someone would who knows it, and check whether the figures can be believed."""
    for run in args.runs:
        refuse_missing_model(run)  # before what works on images is imported
    options = flags_to_dict(AttackOptions, vars(args)) | flags_to_dict(Source, vars(args))

    from tfvision.robustness.attack import attack

    chosen = {"method": args.method, "epsilon": args.epsilon, "data": args.data, "output": args.output}
    scores = attack(*args.runs, **chosen, **options)
    say_result(scores.describe())
    for path in scores.written:
        console.print(f"written: {path}")
