"""An ensemble in words and tables: whether combining paid, every rule beside every member, and how differently they err."""

from collections.abc import Mapping
from typing import Any

from tfvision.evaluation.paired import Difference
from tfvision.evaluation.score_names import SCORES, brief_scores
from tfvision.report.words import percent


def ensemble_section(stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the report's section on an ensemble.

    Args:
        stored: Content of `ensemble.json`.

    Returns:
        `sentences`, `part`, `scores` (names), `rules` and `members` (rows of text), `matrix` (percentages of images that two
        members class differently), `diversity` (name, value, hint) and `notes`; None if it is no ensemble's.
    """
    if not stored.get("rules"):
        return None
    return {
        "sentences": tell_ensemble(stored),
        "part": stored["part"],
        "objective": SCORES[stored["objective"]].label(),
        "scores": [score.title() for score in brief_scores()],
        "rules": [_rule_row(each, stored) for each in stored["rules"]],
        "members": [_member_row(each, number, stored) for number, each in enumerate(stored["member_scores"], start=1)],
        "matrix": [[f"{100 * share:.1f}" for share in row] for row in stored["diversity"]["different"]],
        "diversity": _diversity_rows(stored["diversity"]),
        "notes": _notes(stored),
    }


def tell_ensemble(stored: Mapping[str, Any]) -> list[str]:
    """Say in sentences which rule is in use, whether combining paid, and why.

    Args:
        stored: Content of `ensemble.json`.

    Returns:
        The sentences.
    """
    rule = next(each for each in stored["rules"] if each["name"] == stored["rule"])
    how = "was asked for"
    if stored["method"] == "choose":
        how = "was chosen by cross-validation inside the validation part"
        if not rule.get("expected"):
            how = "is in use, since there are no validation images to choose on"
    first = f"{rule['name']} {how}, among {len(stored['rules'])} rules over {len(stored['member_scores'])} members."
    if rule["name"] == "best":
        return [first, f"It is the best member, {stored['best_member']}, alone: no rule promised more."]
    return [first, _verdict(Difference.from_dict(rule["difference_to_best"]["accuracy"]), stored), _reason(stored)]


def describe_ensemble(stored: Mapping[str, Any]) -> str:
    """Return every member, every rule and the sentences as lines of text.

    Args:
        stored: Content of `ensemble.json`.

    Returns:
        The lines.
    """
    part, width = stored["part"], max(18, *(len(each["name"]) for each in stored["member_scores"]))
    head = f"{part + ' accuracy':<25} {'macro-F1':<9} {'log loss':<9}"
    lines = [f"  {'member':<{width}} {'expected':<9} {head}".rstrip()]
    lines += [f"  {each['name']:<{width}} {'':<9} {_figures(each[part])}".rstrip() for each in stored["member_scores"]]
    lines.append(f"  {'rule':<{width}} {'expected':<9} {head} difference to the best member")
    for each in stored["rules"]:
        mark = "*" if each["name"] == stored["rule"] else " "
        gain = "{} [{}]".format(*_gain(each))
        expected = _expected(each, stored)
        lines.append(f"{mark} {each['name']:<{width}} {expected:<9} {_figures(each[part])} {gain}")
    objective = SCORES[stored["objective"]].label()
    lines.append(f"expected: {objective} by cross-validation inside the validation part; *: in use")
    return "\n".join([*lines, *tell_ensemble(stored), *_notes(stored)])


def _notes(stored: Mapping[str, Any]) -> list[str]:
    return [*stored["notes"], *(f"{rule} was skipped: {why}" for rule, why in stored["skipped"].items())]


def _verdict(difference: Difference, stored: Mapping[str, Any]) -> str:
    side = "above" if difference.value >= 0 else "below"
    interval = f"95 % interval {100 * difference.low:+.2f} to {100 * difference.high:+.2f}"
    amount = f"{100 * abs(difference.value):.2f} points of accuracy {side} the best member, {stored['best_member']} ({interval})"
    if difference.is_none:
        return f"Combining changed nothing: on {stored['part']} it is right as often as {stored['best_member']}."
    if not difference.is_clear:
        return f"Whether combining paid is not clear: on {stored['part']} it is {amount}."
    return f"Combining {'paid' if difference.value > 0 else 'cost accuracy'}: on {stored['part']} it is {amount}."


def _reason(stored: Mapping[str, Any]) -> str:
    found = stored["diversity"]
    text = f"At least one member is right on {percent(found['oracle'])} of the images, all on {percent(found['all_right'])}"
    if found["rescued"] is not None:
        text += f"; of those that the best member gets wrong, another one gets {percent(found['rescued'])} right"
    return text + "."


def _rule_row(each: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": each["name"],
        "words": each["words"],
        "chosen": each["name"] == stored["rule"],
        "expected": _expected(each, stored),
        "cells": [_cell(each[stored["part"]], score.name) for score in brief_scores()],
        "gain": _gain(each),
        "verdict": Difference.from_dict(each["difference_to_best"]["accuracy"]).verdict("accuracy"),
        "weights": ""
        if each["name"] == "best"
        else ", ".join(f"{weight:.2f}" if weight else "–" for weight in each.get("weights", ())),
    }


def _member_row(each: Mapping[str, Any], number: int, stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": number,
        "name": each["name"],
        "backbone": each["kind"],
        "best": each["name"] == stored["best_member"],
        "cells": [_cell(each[stored["part"]], score.name) for score in brief_scores()],
    }


def _diversity_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    statistic = "–" if found["q_statistic"] is None else f"{found['q_statistic']:.3f}"
    return [
        (
            "Oracle",
            percent(found["oracle"]),
            "at least one member is right: no choice among them can be right more often",
        ),
        ("All right", percent(found["all_right"]), "every member is right"),
        ("Disagreement", percent(found["disagreement"]), "exactly one of two members is right, mean over all pairs"),
        ("Double fault", percent(found["double_fault"]), "both of two members are wrong, mean over all pairs"),
        ("Q statistic", statistic, "0 if members err independently, 1 if they err on the same images"),
        ("Kohavi-Wolpert variance", f"{found['kohavi_wolpert']:.4f}", "0 to 0.25; more is more diverse"),
    ]


def _expected(each: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    return f"{each['expected'][stored['objective']]:.4f}" if each.get("expected") else "–"


def _gain(each: Mapping[str, Any]) -> tuple[str, str]:
    one = Difference.from_dict(each["difference_to_best"]["accuracy"])
    return f"{one.value:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}"


def _cell(scores: Mapping[str, Any], name: str) -> tuple[str, str]:
    bounds = scores["ci95"].get(name)
    return f"{scores[name]:.4f}", "{:.4f} to {:.4f}".format(*bounds) if bounds else ""


def _figures(scores: Mapping[str, Any]) -> str:
    bounds = scores["ci95"].get("accuracy")
    interval = " [{:.4f}, {:.4f}]".format(*bounds) if bounds else ""
    return f"{f'''{scores['accuracy']:.4f}{interval}''':<25} {scores['f1_macro']:<9.4f} {scores['log_loss']:<9.4f}"
