"""Presets of KerasHub: their facts, and where their weights are."""

import importlib.util
import inspect
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError, nearest, one_line, worded
from tfvision.models.backbones.families import HUB, Backbone, sizes_up_to
from tfvision.models.model_config import LARGEST_CONFIG, parse_config
from tfvision.models.weight_folders import weight_folders
from tfvision.models.weights_file import check_weights_file, refusing_damage
from tfvision.system.device import load_tensorflow, quiet_start
from tfvision.system.files import refuse_no_space

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_FILES = ("model.weights.h5", "model.weights.json")  # of a preset's weights, whole or in shards

_CONVERTER, _CONFIG = "image_converter.json", "config.json"
_MADE = (_CONFIG, _CONVERTER, "preprocessor.json", "task.json")  # from which KerasHub makes objects

_MOST_WEIGHTS = 2**28  # numbers of a folder without weights to be trained from scratch: 1 GiB, most of the largest


def hub_facts(name: str) -> Backbone:
    """Return the facts about a preset, read from its configuration.

    Args:
        name: `hub/` and a preset's name (`hub/resnet_18_imagenet`), an address (`hub/hf://timm/resnet18.a1_in1k`), or a
            folder that `save_to_preset` wrote (`hub/./folder`, `hub//data/folder`, or its name alone where weights are kept,
            `hub/folder`).

    Returns:
        An entry as in BACKBONES. `options` holds the preset; `fixed`, the side that a network with position embeddings
        was trained at, else None; and the scale and offset of pixels. Stages come from layer names, see
        `numbered_stages`.

    Raises:
        UsageError: KerasHub is not installed; there is no such preset (the nearest is named), or not one for images;
            it cannot be downloaded, is damaged or does not say how pixels are scaled.
    """
    preset = preset_of(name)
    keras_hub = require_hub(name)
    config = Path(preset, _CONFIG)
    if not _is_folder(preset):
        _check_known(name, keras_hub)
        return _facts(name, 0)
    if not config.is_file():
        raise UsageError(f"{name}: {preset} holds no {_CONFIG}; expected a folder that KerasHub's save_to_preset wrote")
    _refuse_code(name, Path(preset))
    return _facts(name, config.stat().st_mtime_ns)


def preset_of(name: str) -> str:
    """Return the preset that a backbone's name means: a folder on this machine, or a name or address for KerasHub.

    Args:
        name: `hub/` and a preset's name, an address or a folder. A name that a folder of weights has (see
            `weight_folders`) means that folder.

    Returns:
        What KerasHub takes.
    """
    preset = name.removeprefix(HUB)
    if _is_folder(preset) or "://" in preset:
        return preset
    return next((str(folder / preset) for folder in weight_folders() if (folder / preset / _CONFIG).is_file()), preset)


def most_weights(preset: str) -> int | None:
    """Return how many numbers a preset may ask for: as many as its file holds.

    Args:
        preset: From `preset_of`.

    Returns:
        The number; None for a preset that KerasHub itself offers. A folder without weights may have `_MOST_WEIGHTS`.

    Raises:
        UsageError: The weights are damaged, or in other places than this folder.
    """
    if not _is_folder(preset):
        return None
    whole, index = (Path(preset, file) for file in _FILES)
    if whole.is_file():
        return check_weights_file(whole)
    return sum(check_weights_file(shard) for shard in _shards(index)) if index.is_file() else _MOST_WEIGHTS


def _shards(index: Path) -> list[Path]:
    """Return the files of weights that are kept in several."""
    with refusing_damage(index):
        places = json.loads(index.read_bytes())["weight_map"].values()
        names = sorted({name for place in places for name in (place if isinstance(place, list) else [place])})
        if outside := [name for name in names if Path(name).name != name]:
            raise ValueError(f"{outside[0]!r} leads out of the folder")
    return [index.with_name(name) for name in names]


def _refuse_code(name: str, folder: Path) -> None:
    """Refuse a preset whose files name what is no layer of Keras, before KerasHub makes it."""
    for file in _MADE:
        path = folder / file
        try:
            if path.is_file():
                with open(path, "rb") as opened:
                    values = parse_config(opened.read(LARGEST_CONFIG + 1), file, compiled=False)
                # What names no class, KerasHub takes for a model of another library, with other files of weights.
                if not isinstance(values, dict) or "registered_name" not in values:
                    raise ValueError(f"{file} names no class of KerasHub")
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{name} cannot be built ({one_line(error)}); expected a preset that KerasHub's save_to_preset wrote"
            ) from None


def require_hub(what: str) -> ModuleType:
    """Import KerasHub.

    Args:
        what: What needs it, for the error message.

    Returns:
        The module `keras_hub`.

    Raises:
        UsageError: It is not installed, or cannot be imported.
    """
    if importlib.util.find_spec("keras_hub") is None:
        raise UsageError(f"{what} needs keras-hub; install it with: pip install 'tfvision[hub]'")
    load_tensorflow()
    try:
        with quiet_start():
            import keras_hub
    except ImportError as error:
        raise UsageError(
            f"{what}: keras-hub cannot be imported ({one_line(error) or type(error).__name__}); "
            "try pip install --upgrade 'tfvision[hub]'"
        ) from None
    for noisy in ("kagglehub", "huggingface_hub.utils._http", "absl"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return keras_hub


def hub_weights(name: str) -> Path | None:
    """Return the weights file of a preset that is a folder.

    Args:
        name: `hub/...`.

    Returns:
        The file, or None for a preset whose weights KerasHub finds itself.

    Raises:
        UsageError: The folder holds no weights.
    """
    preset = preset_of(name)
    if not _is_folder(preset):
        return None
    found = next((Path(preset, file) for file in _FILES if Path(preset, file).is_file()), None)
    if found is None:
        raise UsageError(
            f"{name} has no {_FILES[0]}; train it from scratch with --weights none, or give another preset"
        )
    return found


@lru_cache(maxsize=16)
def _facts(name: str, written: int) -> Backbone:
    """Read a preset; `written`, when its folder last changed, keeps the cache from answering for an old one."""
    import keras_hub

    # Nothing public reads a preset without building it.
    from keras_hub.src.utils.preset_utils import check_file_exists, get_preset_loader, load_json

    preset = preset_of(name)
    with refusing(name):
        loader = get_preset_loader(preset)
        try:
            parse_config(json.dumps(loader.config), _CONFIG, compiled=False)
            if check_file_exists(preset, _CONVERTER):
                parse_config(json.dumps(load_json(preset, _CONVERTER)), _CONVERTER, compiled=False)
        except ValueError as error:
            raise UsageError(f"{name} cannot be built ({one_line(error)}); expected a preset of KerasHub") from None
        kind = loader.check_backbone_class()
        if not _is_image(kind, keras_hub):
            raise _no_image(name, kind)
        try:
            converter = keras_hub.layers.ImageConverter.from_preset(preset)
        except FileNotFoundError:
            raise UsageError(
                f"{name} has no {_CONVERTER}, which says how pixels are scaled; write it with "
                "keras_hub.layers.ImageConverter(image_size=..., scale=..., offset=...).save_to_preset(folder)"
            ) from None
    shape = loader.config.get("config", {}).get("image_shape") or (None,)
    own = converter.image_size[0] if converter.image_size else None
    options, patch = inspect.signature(kind).parameters, _patch(loader.config.get("config", {}))
    fixed = shape[0] or (own if "patch_size" in options else None)
    if "position_embedding_shape" in options:  # which are interpolated to any other size
        fixed = None
    return Backbone(
        kind.__name__.removesuffix("Backbone"),
        "hub",
        "hub",
        kind.presets.get(preset, {}).get("metadata", {}).get("params", 0),
        (),
        sizes=(fixed,) if fixed else tuple(size // patch * patch for size in sizes_up_to(own or 224)),
        minimum=1 if fixed else 32,
        options={
            "preset": preset,
            "fixed": fixed,
            "scale": _plain(converter.scale, 1.0),
            "offset": _plain(converter.offset, 0.0),
        },
    )


def _patch(options: Mapping[str, Any]) -> int:
    """Return the side of a patch in pixels, 1 where there are none."""
    patch = options.get("patch_size") or 1
    return int(patch if isinstance(patch, (int, float)) else patch[0])


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn what KerasHub raises into a `UsageError` of one line."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # files and networks fail in many ways
        refuse_no_space(error, name)
        kind = type(error).__name__
        if _is_folder(preset_of(name)):
            reason = f"cannot be built ({one_line(error) or kind}); expected a preset that KerasHub loads"
        else:
            reason = (
                f"is not on this machine and could not be downloaded ({kind}); try again with a network, or give "
                "the folder of a preset as hub//path/to/folder"
            )
        raise UsageError(f"{name} {reason}") from None


def _check_known(name: str, keras_hub: ModuleType) -> None:
    """Refuse a name that KerasHub does not know, or that is not an image backbone, before it tries the network."""
    from keras_hub.src.utils.preset_utils import list_subclasses

    preset = preset_of(name)
    kinds = [kind for kind in list_subclasses(keras_hub.models.Backbone) if preset in kind.presets]
    if "://" in preset or any(_is_image(kind, keras_hub) for kind in kinds):
        return
    if kinds:
        raise _no_image(name, kinds[0])
    presets = keras_hub.models.Backbone.presets
    raise UsageError(
        f"unknown preset {worded(preset)} of KerasHub{nearest(preset, presets)}; "
        "expected hub/PRESET, or the folder of one as hub/./folder or hub//path/to/folder"
    )


def _no_image(name: str, kind: type) -> UsageError:
    return UsageError(
        f"{name} is a {kind.__name__}; expected a backbone of images alone, such as hub/resnet_18_imagenet"
    )


def _is_folder(preset: str) -> bool:
    return preset.startswith(("/", "."))


def _is_image(kind: type, keras_hub: ModuleType) -> bool:
    """Tell whether a backbone class takes images alone: it has an image converter and no tokenizer."""
    from keras_hub.src.utils.preset_utils import list_subclasses

    if not issubclass(kind, keras_hub.models.Backbone):
        return False
    return any(each.backbone_cls is kind for each in list_subclasses(keras_hub.layers.ImageConverter)) and not any(
        each.backbone_cls is kind for each in list_subclasses(keras_hub.models.Tokenizer)
    )


def _plain(value: "ArrayLike | None", default: float) -> float | list[float]:
    """Return a number, or a list with one for each channel."""
    import numpy as np

    return default if value is None else np.asarray(value, np.float64).tolist()
