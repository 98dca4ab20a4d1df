"""What was found about a finished run by other verbs: its decision, corruptions, attacks, certificates, pseudo-labels."""

from typing import Any

from tfvision.report.attacks import attack_section
from tfvision.report.card.markdown import bullets, markdown_table, plain_text, section
from tfvision.report.card.scores import interval
from tfvision.report.certificates import certificate_section
from tfvision.report.decision import decision_section, outdated
from tfvision.report.ensemble import ensemble_section
from tfvision.report.folder import RunFiles
from tfvision.report.pseudo_labels import pseudo_label_section

_BEFORE = ("score", "before", "after", "difference [95 % interval]")


def later_sections(files: RunFiles) -> list[str]:
    """Return a section for each thing that was found, as Markdown; empty ones for what was not asked."""
    return [
        _ensemble(files),
        _decision(files),
        _pseudo_labels(files),
        _corruptions(files),
        _attack(files),
        _certificates(files),
    ]


def _decision(files: RunFiles) -> str:
    found = decision_section(files.decision)
    if found is None:
        return ""
    told = [
        section(f"Before and after on {each['part']}, n = {each['n']:,}", _differences(each), level=3)
        for each in found["tables"]
    ]
    return section("Calibration and decision", *map(plain_text, found["sentences"]), *told)


def _differences(found: dict[str, Any]) -> str:
    return markdown_table(_BEFORE, [row[:4] for row in found["rows"]])


def _pseudo_labels(files: RunFiles) -> str:
    found = pseudo_label_section(files.pseudo_labels)
    if found is None:
        return ""
    head = ("phase", "class", "images added", "threshold", "expected precision", "true precision")
    told = [
        section(f"Without and with them on {each['part']}, n = {each['n']:,}", _differences(each), level=3)
        for each in found["tables"]
    ]
    return section(
        "Pseudo-labels",
        "The model labelled these images itself and learned from them.",
        markdown_table(head, found["rows"]),
        *told,
    )


def _corruptions(files: RunFiles) -> str:
    stored = files.corruptions
    if not stored.get("corruptions"):
        return ""
    found: dict[str, dict[int, float]] = {}
    for row in stored["corruptions"]:
        found.setdefault(row["corruption"], {})[int(row["severity"])] = row["accuracy"]
    severities = sorted({severity for each in found.values() for severity in each})
    rows = [
        (name, *(f"{each[severity]:.4f}" if severity in each else "–" for severity in severities), f"{_mean(each):.4f}")
        for name, each in found.items()
    ]
    mean = (
        f"Mean accuracy over all of them: {stored['mean_corruption_accuracy']:.4f} (95 % interval {interval(stored['ci95'])}), "
        f"of the same images unchanged: {stored['clean_accuracy']:.4f}; n = {stored['n']:,}."
    )
    head = ("accuracy at severity", *map(str, severities), "mean")
    return section("Under corruption", _then(files, stored, "evaluate --corrupt"), markdown_table(head, rows), mean)


def _mean(found: dict[int, float]) -> float:
    return sum(found.values()) / len(found)


def _attack(files: RunFiles) -> str:
    found = attack_section(files.attack)
    if found is None:
        return ""
    rows = [
        (name, *(f"{value} ({bounds})" if value else "–" for value, bounds in cells)) for name, cells in found["rows"]
    ]
    head = (f"accuracy at epsilon, {found['norm']}", *found["budgets"])
    others = [(name, f"{value} ({bounds})") for name, value, bounds in found["others"]]
    checks = [(name, verdict, said) for name, verdict, said, _ in found["checks"]]
    return section(
        "Under attack",
        _then(files, files.attack, "attack"),
        f"In pixel values 0 to 255; attacks know the model, except Square and transfer. On {found['n']:,} {plain_text(files.attack.get('images', ''))} images, "
        f"unchanged, {found['clean']} of them are right. Brackets hold 95 % intervals.",
        markdown_table(head, rows) if rows else "",
        markdown_table(("attack without a budget", "accuracy"), others) if others else "",
        *map(plain_text, found["sentences"]),
        markdown_table(("check of whether the attack can be believed", "verdict", "found"), checks, numbers=False)
        if checks
        else "",
    )


def _certificates(files: RunFiles) -> str:
    found = certificate_section(files.certificates)
    if found is None:
        return ""
    head = ("radius (L2)", "of 255", "certified accuracy", "95 % interval")
    told = map(plain_text, found["sentences"])
    return section(
        "Certified radii", _then(files, files.certificates, "certify"), *told, markdown_table(head, found["rows"])
    )


def _then(files: RunFiles, scores: dict[str, Any], verb: str) -> str:
    return plain_text(outdated(scores, files.decision, f"tfvision {verb}"))


def _ensemble(files: RunFiles) -> str:
    found = ensemble_section(files.ensemble)
    if found is None:
        return ""
    part, labels = found["part"], found["scores"]
    members = [
        (each["name"], each["backbone"], *(_figure(cell) for cell in each["cells"])) for each in found["members"]
    ]
    rules = [
        (
            ("* " if each["chosen"] else "") + each["name"],
            each["expected"],
            *(_figure(cell) for cell in each["cells"]),
            "{} ({})".format(*each["gain"]),
        )
        for each in found["rules"]
    ]
    return section(
        "Ensemble",
        *map(plain_text, found["sentences"]),
        markdown_table(("member", "kind", *(f"{label}, {part}" for label in labels)), members),
        markdown_table(
            (
                "rule (\\* in use)",
                f"{found['objective']} expected on validation",
                *(f"{label}, {part}" for label in labels),
                "accuracy beside the best member",
            ),
            rules,
        ),
        bullets([plain_text(note) for note in found["notes"]]),
    )


def _figure(cell: tuple[str, str]) -> str:
    return f"{cell[0]} ({cell[1]})" if cell[1] else cell[0]
