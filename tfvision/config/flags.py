"""Flags: one for every option, parsed according to its type, with errors that name the nearest flag or verb."""

import argparse
import dataclasses
import shlex
import sys
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from ruamel.yaml.error import YAMLError

from tfvision.config.options import check_option, help_line, leaves
from tfvision.config.yaml import _dump, plain_values
from tfvision.errors import UsageError, nearest

# Options that have a flag without their section too: `--label-column`, `--on-bad`, `--group-duplicates`, `--mixup`.
_PLAIN = ("source.", "split.group_duplicates", "augment.augmix", "augment.mixup", "augment.cutmix")


def add_flags(
    parser: "Parser",
    kind: type,
    common: Sequence[str],
    *,
    only: Collection[str] | None = None,
    title: str = "most used",
) -> None:
    """Add one flag for every option of `kind` to `parser`.

    Args:
        parser: The parser to add them to. Parsed values have the dotted key as their name, and only flags that were
            given have one.
        kind: A dataclass of options.
        common: The keys that `--help` shows, in that order; the others it shows with `--help-all`. All if there are none.
        only: The keys that get a flag; all if None.
        title: The heading above the keys that `--help` shows.
    """
    first = parser.add_argument_group(title)
    rest = first
    if common:
        rest = parser.add_argument_group("all other options (the keys of the YAML file)")
        parser.hide(rest)
    places = {key: place for place, key in enumerate(common)}
    for key, hint, item in sorted(leaves(kind), key=lambda leaf: places.get(leaf[0], len(places))):
        if only is not None and key not in only:
            continue
        group = first if key in common else rest
        default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
        known = "" if default is None else f" (default {_dump(default)})"  # of None the help says what happens
        text = f"{help_line(item)}{known}".replace("%", "%%")
        group.add_argument(
            *_flag_names(key, getattr(kind, "aliases", {})),
            dest=key,
            default=argparse.SUPPRESS,
            metavar=_metavar(hint),
            help=text,
        )


def flags_to_dict(kind: type, given: dict[str, str]) -> dict[str, Any]:
    """Turn the texts of flags (`{"head.units": "[256]"}`) into nested dictionaries of typed values.

    Args:
        kind: The dataclass of options that the flags were made from.
        given: The text of each flag that was given, by dotted key.

    Returns:
        The values as a YAML file would give them, by section.

    Raises:
        UsageError: A text does not have the type of its option.
    """
    nested: dict[str, Any] = {}
    for key, hint, item in leaves(kind):
        if key in given:
            flag = f"--{key.replace('_', '-')}"
            *sections, name = key.split(".")
            target = nested
            for section in sections:
                target = target.setdefault(section, {})
            value = _parse_flag(given[key], hint)
            if not sections:
                value = getattr(kind, "understood", dict)({key: value})[key]
            target[name] = check_option(item, hint, value, flag)
    return nested


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises its errors as UsageError: one line, with the nearest flag or verb.

    A verb's hundred flags are made only if that verb is used.
    """

    def __init__(self, *, fill: Callable[["Parser"], None] | None = None, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **{"formatter_class": _Formatter, **options})
        self._fill = fill
        self._hidden: list[argparse._ArgumentGroup] = []

    def fill(self) -> None:
        """Add the flags that the parser was made to have, once."""
        fill, self._fill = self._fill, None
        if fill:
            fill(self)
        if fill and (count := sum(len(group._group_actions) for group in self._hidden)):
            self.add_argument("--help-all", action=_HelpAll, help=f"show {count} more options too, and exit")

    def hide(self, group: "argparse._ArgumentGroup") -> None:
        """Show a group in `--help-all` only."""
        self._hidden.append(group)

    def lesser_flags(self) -> set[str]:
        """Return what a list of the main flags leaves out: those that `--help` does not show, and second names."""
        hidden = {id(action) for group in self._hidden for action in group._group_actions}
        return {
            flag
            for action in self._actions
            for flag in action.option_strings[0 if id(action) in hidden else 1 :]
            if flag != "--help"
        }

    def verb(self, name: str) -> "Parser | None":
        """Return the parser of a verb, or None where there is none of that name."""
        verbs = next((each for each in self._actions if isinstance(each, argparse._SubParsersAction)), None)
        return verbs.choices.get(name) if verbs else None

    def format_help(self, *, hidden: bool = False) -> str:
        """Return the help.

        Args:
            hidden: Whether to show the hidden groups too.

        Returns:
            The text of `--help`, or that of `--help-all`.
        """
        self.fill()
        shown, every = [group for group in self._action_groups if group not in self._hidden], self._action_groups
        self._action_groups = every if hidden else shown
        try:
            return super().format_help()
        finally:
            self._action_groups = every

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the words that are known.

        Args:
            args: The words; those of the command line if None.
            namespace: An object to add the values to; a new one if None.

        Returns:
            The object that has the values as attributes, and the words that are unknown.

        Raises:
            UsageError: A value is wrong.
        """
        self.fill()
        words = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args([self._spelled(word) for word in words], namespace)

    def _spelled(self, word: str) -> str:
        """Return `--batch-size` for `--batch_size`."""
        flag, equals, value = word.partition("=")
        hyphens = flag.replace("_", "-")
        known = self._option_string_actions
        return hyphens + equals + value if flag.startswith("--") and flag not in known and hyphens in known else word

    def error(self, message: str) -> NoReturn:
        """Raise the error that argparse found.

        Args:
            message: What argparse says.

        Raises:
            UsageError: Always.
        """
        known = list(self._option_string_actions)
        if message.startswith("unrecognized arguments:"):
            word = message.split(": ", 1)[1].split(" ")[0].split("=")[0]
            raise UsageError(f"unknown argument {word}{nearest(word, known)}; see `{self.prog} --help`")
        if "invalid choice" in message:
            word, choices = message.split("invalid choice: ")[1].split("(choose from", 1)
            names = [name.strip(" '\")") for name in choices.split(",")]
            raise UsageError(
                f"unknown {word.strip()}{nearest(word.strip(chr(39) + ' '), names)}; known are {', '.join(names)}"
            )
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def parse_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """Parse all words, and refuse those that are unknown.

        Args:
            args: The words; those of the command line if None.
            namespace: An object to add the values to; a new one if None.

        Returns:
            The object that has the values as attributes.

        Raises:
            UsageError: A word is unknown, or a value is wrong.
        """
        # Subparsers pass unknown words up to the root, which has other flags: let the verb's parser report them.
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            getattr(parsed, "parser", self).error(f"unrecognized arguments: {shlex.join(unknown)}")
        return parsed


class _Formatter(argparse.HelpFormatter):
    """Wraps paragraphs, but keeps lines that begin with two spaces: examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (
            line if line.startswith("  ") else super(_Formatter, self)._fill_text(line, width, indent)
            for line in text.splitlines()
        )
        return "\n".join(lines)


class _HelpAll(argparse.Action):
    """`--help` with the hidden groups too."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> NoReturn:
        assert isinstance(parser, Parser)
        sys.stdout.write(parser.format_help(hidden=True))
        parser.exit()


def _parse_flag(text: str, hint: Any) -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if text == "null" and type(None) in kinds:
        return None
    if str in kinds or get_origin(hint) is Literal:
        return text
    try:
        return plain_values(text)
    except (YAMLError, ValueError):
        return text  # which is no value of its kind, and is refused as such


def _flag_names(key: str, aliases: Mapping[str, str]) -> list[str]:
    name = key.replace("_", "-")
    if others := [other.replace("_", "-") for other, meant in aliases.items() if meant == key]:
        return [f"--{name}", *(f"--{other}" for other in others)]
    return [f"--{name}", f"--{name.split('.')[1]}"] if key.startswith(_PLAIN) else [f"--{name}"]


def _metavar(hint: Any) -> str:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if get_origin(kinds[0]) is Literal:
        return "{" + ",".join(get_args(kinds[0])) + "}"
    if any(get_origin(kind) is list for kind in kinds):
        return "[...]"
    return {int: "N", float: "X", bool: "{true,false}"}.get(kinds[0], "TEXT")
