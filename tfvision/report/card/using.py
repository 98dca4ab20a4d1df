"""How a model of a card is loaded, and how its run is made again."""

import shlex
from collections.abc import Mapping
from typing import Any

from tfvision.report.card.data import data_name
from tfvision.report.card.markdown import bullets, code, fenced, plain_text, section
from tfvision.report.card.options import config_of
from tfvision.report.folder import RunFiles
from tfvision.report.usage import usage
from tfvision.report.words import describe_section, plain
from tfvision.system.local_paths import shorten_paths


def use_section(files: RunFiles, repo: str, saved_model: bool) -> str:
    """Return how the model is used.

    Args:
        files: The files of the run.
        repo: The repository of a hub that the card stands in; "" for the card in the run folder.
        saved_model: Whether a SavedModel lies beside the card, in the folder `saved_model`.

    Returns:
        Markdown.
    """
    folder = repo.rpartition("/")[2] if repo else files.folder.resolve().name
    found = usage(files, folder)
    pieces = [f"Commands and code call the folder of this card {code(folder)}."]
    if repo:
        pieces = [
            "Download it:",
            fenced(f"pip install huggingface_hub\nhf download {repo} --local-dir {shlex.quote(folder)}", "console"),
        ]
    if repo and files.ensemble:
        return section(
            "Use it", *pieces, "The SavedModel takes raw images of any size:", _saved_model(f"{folder}/saved_model")
        )
    pieces += ["With tfvision, images of any size, resized as in training and with the decision that was chosen:"]
    pieces += [fenced(f"{found['predict']}\n{found['evaluate']}", "console")]
    if not files.ensemble:
        pieces += [
            "With Keras alone, without tfvision: probabilities as trained, before a temperature or threshold that was chosen, and "
            "from a resize that differs a little.",
        ]
    pieces.append(fenced(found["python"], "python"))
    exported = f"{folder}/saved_model" if saved_model else f"saved_models/{folder}/1"
    lead = "As a SavedModel, which takes raw images of any size and needs TensorFlow only"
    if saved_model:
        pieces += [f"{lead}:", _saved_model(exported)]
    else:
        pieces += [f"{lead}; tfvision exports it:", fenced(found["export"], "console"), _saved_model(exported)]
    return section("Use it", *pieces)


def _saved_model(folder: str) -> str:
    lines = [
        "import numpy as np",
        "import tensorflow as tf",
        "from PIL import Image",
        "",
        f"model = tf.saved_model.load({folder!r})",
        'print(model(np.asarray(Image.open("photo.jpg").convert("RGB"))))',
    ]
    return fenced("\n".join(lines), "python")


def reproduction_section(files: RunFiles, repo: str) -> str:
    """Return the command, versions, date and hardware of the run, and how to make it again, as Markdown."""
    environment, config = files.environment, config_of(files)
    folder = repo.rpartition("/")[2] if repo else files.folder.resolve().name
    data = str(files.config.get("data") or "")
    command = shorten_paths(str(environment.get("command") or ""), data)[0]
    told = {
        "date": plain(environment.get("date")),
        "versions": describe_section(environment.get("versions") or {}),
        "hardware": _hardware(environment.get("hardware") or {}),
    }
    pieces = [bullets([f"{name}: {plain_text(text)}" for name, text in told.items() if text not in ("", "–")])]
    if command and command != "from Python":
        pieces += ["The command of this run:", fenced(command, "console")]
    if files.ensemble and not repo:
        pieces += ["Made again, where its members lie:", fenced(usage(files, folder)["repeat"], "console")]
    elif config is not None:
        again = f"tfvision train --config {shlex.quote(f'{folder}/config.yaml')} --data {shlex.quote(data_name(files))} --output runs/again"
        said = "Made again from its options, with the data at hand; on a CPU the same versions give the same weights:"
        if command == "from Python":
            said = "It was trained from Python. Made again from its options, with the data at hand:"
        pieces += [said, fenced(again, "console")]
    return section("Reproduce it", *pieces)


def _hardware(found: Mapping[str, Any]) -> str:
    words = {"processor": "{}", "cores": "{} cores", "memory_gib": "{} GiB of memory", "system": "{}", "device": "{}"}
    return ", ".join(text.format(found[name]) for name, text in words.items() if found.get(name))
