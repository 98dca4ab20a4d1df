"""The report: one self-contained page that says what a run did, how well, and how to use its model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfvision.report.advice import advise
from tfvision.report.attacks import attack_section
from tfvision.report.box_story import box_tables, class_metrics, tell_run
from tfvision.report.captions import captions
from tfvision.report.card.card import write_card
from tfvision.report.certificates import certificate_section
from tfvision.report.decision import decision_section, outdated
from tfvision.report.ensemble import ensemble_section
from tfvision.report.folder import RunFiles, read_run_files
from tfvision.report.pseudo_labels import pseudo_label_section
from tfvision.report.story import headline_part
from tfvision.report.tables import class_table, fact_rows, image_table, mistake_cards, phase_table, score_table, tiles
from tfvision.report.template import page_template
from tfvision.report.usage import usage
from tfvision.report.words import percent, plain
from tfvision.runs.names import CARD, REPORT
from tfvision.system.files import write_text
from tfvision.version import __version__


def write_report(folder: Path | str) -> Path:
    """Write `report.html` and the model card into a run folder, from whichever of the run's files are there.

    Args:
        folder: The run folder. Commands on the page name it as given here.

    Returns:
        The path of the page, which needs no other file and no network.

    Raises:
        WriteError: The page or the card cannot be written.
    """
    path, _ = write_advised_report(folder)
    return path


def write_pages(folder: Path | str) -> list[Path]:
    """Write report and model card, see `write_report`; return the paths of both."""
    return [write_report(folder), Path(folder) / CARD]


def write_advised_report(folder: Path | str) -> tuple[Path, list[str]]:
    """Write the report, see `write_report`; return its path and the advice that stands on it."""
    path, files = Path(folder) / REPORT, read_run_files(folder)
    write_card(files)  # first: a run is finished when it has a report
    advice = advise(files)
    write_text(path, render(files, advice))
    return path, advice


def render(files: RunFiles, advice: Sequence[str]) -> str:
    """Return the page as HTML; all text from the run is escaped."""
    template = page_template("page.html")
    config = files.config
    part = headline_part(files.metrics)
    boxes, of_classes = box_tables(files.metrics, part), class_metrics(files.metrics)
    class_part = headline_part(of_classes)
    return template.render(
        title=_title(config, len(files.ensemble.get("member_scores", ()))) or files.folder.name,
        run=files.folder.as_posix(),
        story=tell_run(files.metrics),
        advice=advice,
        boxes=boxes,
        has_classes=not boxes or class_part is not None,
        tiles=tiles(files),
        facts=fact_rows(files),
        phases=phase_table(files),
        images=image_table(files.counts),
        scores=score_table(of_classes),
        classes=class_table(of_classes),
        ensemble=ensemble_section(files.ensemble),
        decision=decision_section(files.decision),
        pseudo_labels=pseudo_label_section(files.pseudo_labels),
        certificates=certificate_section(files.certificates),
        outdated={name: outdated(scores, files.decision, verb) for name, verb, scores in _judged_later(files)},
        attack=attack_section(files.attack),
        plots=files.plots,
        captions=captions(of_classes.get(class_part or ""), files.history, str(config.get("monitor")), files.rates),
        mistakes=mistake_cards(files),
        classifier=bool(config.get("classifier")),
        flawless=class_part is not None and of_classes[class_part]["accuracy"] == 1,
        usage=usage(files),
        command=plain(files.environment.get("command") or ""),
        config_text=files.config_text,
        summary=files.summary,
        missing=files.missing,
        version=__version__,
        card=CARD if (files.folder / CARD).is_file() else "",
        percent=percent,
    )


def _judged_later(files: RunFiles) -> list[tuple[str, str, dict[str, Any]]]:
    """Return section, command and scores of the verbs that judge a finished run as it decides."""
    return [
        ("corruptions", "tfvision evaluate --corrupt", files.corruptions),
        ("certificates", "tfvision certify", files.certificates),
        ("attack", "tfvision attack", files.attack),
    ]


def _title(config: dict[str, Any], members: int) -> str:
    if members:
        return f"Ensemble of {members}" + (f" on {Path(plain(config['data'])).name}" if config.get("data") else "")
    subject = [Path(plain(config[name])).name for name in ("backbone", "data") if config.get(name) is not None]
    kind = f"{config['classifier']} on features of " if config.get("classifier") else ""
    return kind + " on ".join(subject) if subject else ""
