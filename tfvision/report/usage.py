"""How a run is used: the commands, and the Python that loads its model."""

import shlex
from typing import Any

from tfvision.report.box_story import class_metrics
from tfvision.report.folder import RunFiles
from tfvision.report.story import headline_part
from tfvision.runs.names import CONFIG, MODEL


def usage(files: RunFiles, folder: str = "") -> dict[str, str]:
    """Return the commands that use a run, and the Python that loads it, as text.

    Args:
        files: The content of the run folder.
        folder: What commands call the folder; as it was given, if empty.

    Returns:
        `predict`, `evaluate`, `export`, `repeat` and `python`.
    """
    folder = folder or files.folder.as_posix()
    run = shlex.quote(folder)
    model = shlex.quote(f"saved_models/{files.folder.resolve().name}")
    draw = " --draw boxes/" if class_metrics(files.metrics) != files.metrics else ""
    config = shlex.quote(f"{folder}/{CONFIG}")
    return {
        "predict": f"tfvision predict {run} photos/ --output predictions.csv{draw}",
        "evaluate": f"tfvision evaluate {run} --data other.zip --output other.json",
        "export": f"tfvision export {run} --output {model}",
        "repeat": _again(files) or f"tfvision train --config {config} --output runs/again",
        "python": _ensemble_snippet(folder) if files.ensemble else _snippet(files, folder),
    }


def _again(files: RunFiles) -> str:
    """Return the command that makes an ensemble again; nothing for other runs."""
    if not files.ensemble:
        return ""
    members = " ".join(shlex.quote(each["name"]) for each in files.ensemble["member_scores"])
    return f"tfvision ensemble {members} --method {files.ensemble['method']} --output runs/again"


def _ensemble_snippet(folder: str) -> str:
    return "\n".join(
        [
            "import tfvision",
            "",
            f"ensemble = tfvision.load_predictor({folder!r})",
            'photos = tfvision.open_images("photos/", labelled=False)',
            "probabilities = ensemble.probabilities(photos)  # (n, classes)",
            "print([ensemble.facts.class_names[i] for i in probabilities.argmax(axis=1)])",
        ]
    )


def _snippet(files: RunFiles, folder: str) -> str:
    of_classes = class_metrics(files.metrics)
    part = headline_part(of_classes)
    names: list[Any] = (of_classes[part].get("class_names") or []) if part else []
    with_boxes = of_classes != files.metrics
    answer = "class_names[probabilities.argmax()]"
    if len(names) == 2:
        answer = "class_names[int(probabilities[-1] > 0.5)]"  # right for one sigmoid unit and for two outputs
    gray = files.config.get("channels") == 1
    colours, pixels = (', color_mode="grayscale"', "[None, ..., None]") if gray else ("", "[None]")
    if (files.config.get("resize") or {}).get("mode") == "crop":
        colours += ", keep_aspect_ratio=True"
    shape = f"(1, height, width, {1 if gray else 3}), {'gray' if gray else 'RGB'}, 0..255: no rescaling"
    load = [
        "import keras",
        "import numpy as np",
        "",
        f"model = keras.saving.load_model({f'{folder}/{MODEL}'!r})",
        *([f"class_names = {names!r}"] if names or not with_boxes else []),
        "size = model.input_shape[1:3]",
        f'photo = keras.utils.load_img("photo.jpg", target_size=size{colours}, interpolation="bilinear")',
        f"pixels = np.asarray(photo){pixels}  # {shape}",
    ]
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
