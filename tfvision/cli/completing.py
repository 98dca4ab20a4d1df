"""What the TAB key offers, asked for by the shell through argcomplete; nothing here loads NumPy or TensorFlow."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tfvision.config.flags import Parser
from tfvision.config.recipes import read_recipe_header, recipes
from tfvision.models.backbones.families import HUB
from tfvision.models.backbones.table import BACKBONES, backbone_name
from tfvision.runs.names import CONFIG, ENSEMBLE
from tfvision.training.config import TrainConfig

_ASKED = "_ARGCOMPLETE"  # set by the shell's function when it asks
_RUNS = "runs"  # where runs are written by default
_MARKS = (CONFIG, ENSEMBLE, "saved_model.pb")  # of a folder that has a model
_WORDS = {
    "classifier": ("logistic_regression", "linear_svm", "svm", "random_forest", "xgboost", "knn"),
    "track": ("tensorboard", "mlflow", "wandb"),
    "device": ("cpu", "gpu"),
}
# Options whose value is a path though they are declared as text.
_PATHS = ("data", "output", "pseudo.data", "split.file")

Offered = Iterable[str] | Mapping[str, str]


def offer_completions(build: Callable[[], Parser]) -> None:
    """Answer the shell and end the process, if it was started for that.

    Args:
        build: Makes the parser of all verbs.
    """
    if _ASKED not in os.environ:
        return
    import argcomplete

    parser = build()
    words = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", "0"))].split(" ")
    verb = parser.verb(words[1]) if len(words) > 1 else None
    if verb:
        verb.fill()  # argcomplete looks at the flags before the verb is parsed
    # Two hyphens alone ask what there is: the flags of --help. A letter more asks for one of all.
    exclude = verb.lesser_flags() if verb and words[-1] in ("-", "--") else ()
    completer: Any = offer_values  # argcomplete's type asks for a class, its documentation for a function
    argcomplete.autocomplete(parser, always_complete_options=False, exclude=exclude, default_completer=completer)


def offer_values(
    prefix: str, action: argparse.Action, parser: argparse.ArgumentParser, parsed_args: argparse.Namespace
) -> Offered:
    """Return the values that a flag, or a word without one, may have.

    Args:
        prefix: What was typed of it.
        action: The flag.
        parser: The parser of its verb.
        parsed_args: What stands on the line before it.

    Returns:
        The values, those that are named with what they are.
    """
    name, metavar = action.dest, action.metavar if isinstance(action.metavar, str) else ""
    if metavar.startswith("{"):
        return metavar.strip("{}").split(",")
    if name == "backbone":
        return _backbones()
    if name == "unfreeze":
        return ("none", "all", *_stages(getattr(parsed_args, "backbone", None)))
    if name == "name":
        return _recipes() if parsed_args.what == "recipes" else ()
    if name == "config":
        files = dict.fromkeys(_paths(prefix, (".yaml", ".yml")), "")
        return (_recipes() if "recipe" in (action.help or "") else {}) | files
    if name == "weights":
        return ("imagenet", "none", *_runs(prefix), *_paths(prefix, (".h5", ".keras")))
    if metavar == "RUN" or name == "distill.teacher":
        return _runs(prefix)
    if metavar == "FOLDER":
        return _paths(prefix, ("/",))
    if name in _PATHS or metavar in ("FILE", "DATA", "IMAGES"):
        return (*(("digits",) if name in ("data", "where") else ()), *_paths(prefix))
    return _WORDS.get(name, ())


def _backbones() -> dict[str, str]:
    sizes = {name: f"{facts.parameters / 1e6:.1f} million parameters" for name, facts in BACKBONES.items()}
    return sizes | {HUB: "a preset of KerasHub"}


def _recipes() -> dict[str, str]:
    return {name: read_recipe_header(path).what for name, path in recipes().items()}


def _stages(backbone: str | None) -> tuple[str, ...]:
    facts = BACKBONES.get(backbone_name(backbone or TrainConfig.backbone))
    return facts.stages if facts else ()


def _runs(prefix: str) -> Iterator[str]:
    """Yield run folders, and the folders in which others may be; those of `runs/` at once."""
    for path in _paths(prefix, ("/",)):
        folder = Path(path).expanduser()
        is_run = any((folder / mark).is_file() for mark in _MARKS)
        yield path.rstrip("/") if is_run else path
        if not prefix and path == f"{_RUNS}/":
            yield from _runs(path)


def _paths(prefix: str, endings: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield folders, with a slash, and the files with one of the endings, all if none is given; `/` for folders alone."""
    typed, _, start = prefix.rpartition("/")
    base = f"{typed}/" if "/" in prefix else ""
    try:
        entries = sorted(os.scandir(os.path.expanduser(base) or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(start) or (entry.name.startswith(".") and not start.startswith(".")):
            continue
        if entry.is_dir():
            yield f"{base}{entry.name}/"
        elif not endings or entry.name.lower().endswith(endings):
            yield f"{base}{entry.name}"
