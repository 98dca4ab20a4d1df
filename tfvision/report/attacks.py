"""Attacks on a run, for the report: what is left of the accuracy, and whether the figures can be believed."""

from typing import Any

_TITLES = {
    "fgsm": "FGSM", "pgd": "PGD", "apgd": "AutoPGD", "apgd-ce": "AutoPGD-CE", "apgd-dlr": "AutoPGD-DLR",
    "cw": "Carlini-Wagner L2", "patch": "patch", "square": "Square", "transfer": "transfer", "random": "random change",
    "random-patch": "random patch",
}  # fmt: skip


def attack_section(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Return the report's section on attacks.

    Args:
        stored: Content of `attack.json`; empty if there is none.

    Returns:
        `sentences`; `budgets` and `rows` of accuracies by attack as text; `others`, rows `(attack, accuracy)` of those
        without a budget; `transfer` tables; `checks` as `(name, verdict, found, meaning)`; `notes`. None if the run was
        not attacked.
    """
    attacks = stored.get("attacks")
    if not isinstance(attacks, list) or not isinstance(stored.get("clean"), float | int):
        return None
    budgets = list(dict.fromkeys(row["epsilon"] for row in attacks if row["epsilon"] is not None))
    names = list(dict.fromkeys(row["attack"] for row in attacks if row["epsilon"] is not None))
    found = {(row["attack"], row["epsilon"]): _cell(row) for row in attacks}
    return {
        "n": stored["n"],
        "norm": "L2" if stored["norm"] == "l2" else "L-infinity",
        "clean": f"{stored['clean']:.4f}",
        "sentences": _sentences(stored),
        "budgets": [f"{value:g}" for value in budgets],
        "rows": [
            (_TITLES.get(name, name), [found.get((name, value), ("", "")) for value in budgets]) for name in names
        ],
        "others": [
            (_TITLES.get(row["attack"], row["attack"]), *_cell(row)) for row in attacks if row["epsilon"] is None
        ],
        "transfer": [_matrix(each, stored["runs"]) for each in stored.get("transfer", [])],
        "checks": [_check(each) for each in stored.get("sanity", [])],
        "notes": stored.get("notes", []),
    }


def _cell(row: dict[str, Any]) -> tuple[str, str]:
    return f"{row['robust']:.4f}", f"{row['robust_low']:.4f} – {row['robust_high']:.4f}"


def _check(each: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        each["name"],
        "holds" if each["passed"] else "FAILS",
        each["found"],
        "" if each["passed"] else each["meaning"],
    )


def _matrix(each: dict[str, Any], runs: list[str]) -> dict[str, Any]:
    rows = [(name, [f"{value:.4f}" for value in values]) for name, values in zip(runs, each["matrix"], strict=True)]
    return {"epsilon": f"{each['epsilon']:g}", "runs": runs, "rows": rows}


def _sentences(stored: dict[str, Any]) -> list[str]:
    halving, distances = stored.get("halving") or {}, stored.get("distances") or {}
    sentences = []
    if halving:
        sentences.append(
            f"PGD halves the accuracy at epsilon {halving['epsilon']:.3g} of 255 (from {halving['clean']:.4f} to "
            f"{halving['robust']:.4f} on {halving['n']:,} images): compare models there, not where all or nothing is left."
        )
    if "l2_median" in distances:
        sentences.append(
            f"The nearest misleading image lies at an L2 distance of {distances['l2_median']:.1f} (median; quartiles "
            f"{distances['l2_quartile_1']:.1f} and {distances['l2_quartile_3']:.1f}), {distances['rms_median']:.2f} gray "
            f"levels a value (root mean square)."
        )
    failed = sum(not each["passed"] for each in stored.get("sanity", []))
    if failed:
        sentences.append(
            f"{failed} sanity {'check fails' if failed == 1 else 'checks fail'}, see below: these figures are no proof of "
            "robustness."
        )
    return sentences
