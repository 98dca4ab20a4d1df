"""Options of a search from its file and its flags."""

import argparse
from pathlib import Path
from typing import Any

from tfvision.config.flags import flags_to_dict
from tfvision.config.options import flatten_mapping, merge
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_yaml
from tfvision.errors import UsageError
from tfvision.search.plan import parse_search
from tfvision.search.settings import SECTION, SearchOptions
from tfvision.training.config import TrainConfig

_PHASE_KEYS = ("epochs", "learning_rate", "unfreeze")


def read_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the nested options of a search; a flag replaces a range, in the stages too.

    Raises:
        UsageError: No file, or options that are wrong.
    """
    if args.config:
        in_file = load_yaml(find_recipe(args.config))
    elif args.resume:
        from tfvision.search.search import open_search

        in_file = open_search(Path(args.resume))
    else:
        raise UsageError("search needs --config, a YAML file of options with ranges, or --resume")
    given = {key for key in vars(args) if key in _PHASE_KEYS}
    both = [key for key in _PHASE_KEYS if in_file.get(key) is not None and key not in given]
    if in_file.get("phases") and both:
        raise UsageError(f"{args.config or args.resume} gives phases and also {' or '.join(both)}; keep one of them")
    fixed = flags_to_dict(TrainConfig, vars(args))
    options = merge(merge(in_file, fixed), {SECTION: flags_to_dict(SearchOptions, vars(args))})
    replaced = flatten_mapping(fixed)
    for stage in options[SECTION].get("stages") or []:
        if isinstance(stage, dict) and isinstance(stage.get("ranges"), dict):
            stage["ranges"] = {key: value for key, value in stage["ranges"].items() if key not in replaced}
    parse_search(options)  # what can be refused is refused before TensorFlow is loaded
    return options
