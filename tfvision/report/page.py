"""The report: one self-contained page that says what a run did, how well, and how to use its model."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfvision.report.advice import advise
from tfvision.report.attacks import attack_section
from tfvision.report.box_story import box_tables, class_metrics, tell_run
from tfvision.report.captions import captions
from tfvision.report.certificates import certificate_section
from tfvision.report.decision import decision_section, outdated
from tfvision.report.ensemble import ensemble_section
from tfvision.report.folder import RunFiles, read_run_files
from tfvision.report.pseudo_labels import pseudo_label_section
from tfvision.report.story import headline_part
from tfvision.report.tables import class_table, fact_rows, image_table, mistake_cards, phase_table, score_table, tiles
from tfvision.report.template import page_template
from tfvision.report.words import percent, plain
from tfvision.runs.names import CONFIG, MODEL, REPORT
from tfvision.system.files import write_text
from tfvision.version import __version__


def write_report(folder: Path | str) -> Path:
    """Write `report.html` into a run folder, from whichever of the run's files are there.

    Args:
        folder: The run folder. Commands on the page name it as given here.

    Returns:
        The path of the page, which needs no other file and no network.

    Raises:
        WriteError: The page cannot be written.
    """
    path, _ = write_advised_report(folder)
    return path


def write_advised_report(folder: Path | str) -> tuple[Path, list[str]]:
    """Write the report, see `write_report`; return its path and the advice that stands on it."""
    path, files = Path(folder) / REPORT, read_run_files(folder)
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
        usage=_usage(files),
        command=plain(files.environment.get("command") or ""),
        config_text=files.config_text,
        summary=files.summary,
        missing=files.missing,
        version=__version__,
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


def _usage(files: RunFiles) -> dict[str, str]:
    run = shlex.quote(files.folder.as_posix())
    model = shlex.quote(f"saved_models/{files.folder.resolve().name}")
    draw = " --draw boxes/" if class_metrics(files.metrics) != files.metrics else ""
    config = shlex.quote((files.folder / CONFIG).as_posix())
    return {
        "predict": f"tfvision predict {run} photos/ --output predictions.csv{draw}",
        "evaluate": f"tfvision evaluate {run} --data other.zip --output other.json",
        "export": f"tfvision export {run} --output {model}",
        "repeat": _again(files) or f"tfvision train --config {config} --output runs/again",
        "python": _ensemble_snippet(files) if files.ensemble else _snippet(files),
    }


def _again(files: RunFiles) -> str:
    """Return the command that makes an ensemble again; nothing for other runs."""
    if not files.ensemble:
        return ""
    members = " ".join(shlex.quote(each["name"]) for each in files.ensemble["member_scores"])
    return f"tfvision ensemble {members} --method {files.ensemble['method']} --output runs/again"


def _ensemble_snippet(files: RunFiles) -> str:
    return "\n".join(
        [
            "import tfvision",
            "",
            f"ensemble = tfvision.load_predictor({files.folder.as_posix()!r})",
            'photos = tfvision.open_images("photos/", labelled=False)',
            "probabilities = ensemble.probabilities(photos)  # (n, classes)",
            "print([ensemble.facts.class_names[i] for i in probabilities.argmax(axis=1)])",
        ]
    )


def _snippet(files: RunFiles) -> str:
    of_classes = class_metrics(files.metrics)
    part = headline_part(of_classes)
    names: list[Any] = (of_classes[part].get("class_names") or []) if part else []
    with_boxes = of_classes != files.metrics
    answer = "class_names[probabilities.argmax()]"
    if len(names) == 2:
        answer = "class_names[int(probabilities[-1] > 0.5)]"  # right for one sigmoid unit and for two outputs
    load = [
        "import keras",
        "import numpy as np",
        "",
        f"model = keras.saving.load_model({(files.folder / MODEL).as_posix()!r})",
        *([f"class_names = {names!r}"] if names or not with_boxes else []),
        'photo = keras.utils.load_img("photo.jpg", target_size=model.input_shape[1:3], interpolation="bilinear")',
        "pixels = np.asarray(photo)[None]        # (1, height, width, 3), RGB, 0..255: no rescaling",
    ]  # fmt: skip
    if not with_boxes:
        said = ["probabilities = model.predict(pixels)[0]", f"print({answer}, probabilities)"]
    elif names:
        said = ["answer = model.predict(pixels)", 'probabilities = answer["probabilities"][0]']
        said += [
            'xmin, ymin, xmax, ymax = answer["box"][0]  # shares of the sides',
            f"print({answer}, xmin, ymin, xmax, ymax)",
        ]
    else:
        said = [
            "xmin, ymin, xmax, ymax = model.predict(pixels)[0]  # shares of the sides",
            "print(xmin, ymin, xmax, ymax)",
        ]
    return "\n".join([*load, *said])
