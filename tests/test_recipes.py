"""Every recipe in configs/ loads, builds and trains one batch; every header says its command."""

import functools
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, write_tree

from tfvision.cli import build_parser, main
from tfvision.cli.train import train_config
from tfvision.config.options import from_dict
from tfvision.config.recipes import find_recipe, recipes
from tfvision.config.yaml import load_yaml
from tfvision.ensembles.recipe import read_recipe
from tfvision.models.classifier import build_classifier
from tfvision.training.config import TrainConfig

ROOT = Path(__file__).parent.parent
ALL = sorted((ROOT / "configs").glob("*.yaml"))
SEARCHES = [path for path in ALL if "search" in load_yaml(path)]
ENSEMBLES = [path for path in ALL if "members" in load_yaml(path)]
RECIPES = [path for path in ALL if path not in (*SEARCHES, *ENSEMBLES)]
NOT_RUN = {
    "earth_vgg16_block5",
    "earth_vgg16_block45",
    "earth_resnet50_original",
    "head_search",
}


def test_there_are_recipes() -> None:
    assert {path.stem for path in ALL} >= {
        "digits",
        "cactus",
        "blood_cells",
        "cactus_search",
        "mars_craters",
        "earth_features",
        "mars_craters_all",
        "earth_mobilenet_v2",
        "earth_mobilenet_v2_original",
        "earth_ensemble",
        *NOT_RUN,
    }


@pytest.fixture(scope="module")
def stand_in_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Saves the weights of an untrained backbone, as a file that `keras.applications` would load, once a backbone."""
    import keras

    @functools.cache
    def save(backbone: str) -> Path:
        model = build_classifier(backbone, 3, image_size=64, weights="none")
        features = keras.Model(model.input, model.get_layer("head_pool").input)
        path = tmp_path_factory.mktemp("weights") / "stand_in.weights.h5"
        features.save_weights(path)
        return path

    return save


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_dry_runs(
    recipe: Path,
    stand_in_weights: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """A dry run on stand-in images and, for pretrained backbones, on a stand-in weights file."""
    monkeypatch.chdir(tmp_path)
    config = from_dict(TrainConfig, load_yaml(recipe))
    words = ["train", "--config", str(recipe), "--dry-run", "--batch-size", "4"]
    if config.data != "digits":
        words += ["--data", str(stand_in_data(recipe.stem, tmp_path))]
    if config.weights == "imagenet":
        words += ["--weights", str(stand_in_weights(config.backbone))]
    assert main(words) == 0
    assert "one batch passed" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", SEARCHES, ids=lambda path: path.stem)
def test_search_dry_runs(recipe: Path, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    """Every range is checked and every trial counted, on stand-in images."""
    data = write_tree(tmp_path / "data", 4, ("0", "1"), side=32)
    words = ["search", "--config", str(recipe), "--data", str(data), "--weights", "none", "--dry-run"]
    assert main(words) == 0
    said = capsys.readouterr().out
    counts = [int(number) for number in re.findall(r"(\d+) trials\n", said)]
    assert counts == {"cactus_search": [16, 12, 3], "head_search": [20], "blood_cells_search": [20]}[recipe.stem]


@pytest.mark.parametrize("recipe", ENSEMBLES, ids=lambda path: path.stem)
def test_every_member_of_an_ensemble_is_checked(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for its preset, in the folder where weights are kept."""
    import keras_hub

    preset = tmp_path / "efficientnet_lite0_preset"
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
    )
    backbone.save_to_preset(str(preset))
    keras_hub.layers.ImageConverter(scale=1 / 255).save_to_preset(str(preset))
    monkeypatch.setenv("TFVISION_WEIGHTS", str(tmp_path))
    found = read_recipe(recipe, {"weights": "none", "seed": 1}, {})
    backbones = {one.config.backbone for one in found.members}
    assert len(found.members) >= 4 and len(backbones) >= 4 and any(one.config.classifier for one in found.members)
    assert found.options.method == "choose" and found.options.seed == 1


def stand_in_data(recipe: str, folder: Path) -> Path:
    """Write some images in the layout of a recipe's data."""
    if recipe.startswith("animal"):
        return write_boxed(folder / "data")
    if not recipe.startswith("mars"):
        return write_tree(folder / "data", 4, ("0", "1") if recipe.startswith("cactus") else CLASSES, side=32)
    pixels = np.random.default_rng(0).integers(0, 256, (630, 48, 48), np.uint8)
    labels, tiles = np.arange(620) % 2, np.repeat(["a", "b", "c"], [500, 60, 60])
    np.savez(folder / "data.npz", images=pixels[:620], labels=labels, tiles=tiles, unlabelled=pixels[620:])
    return folder / "data.npz"


def write_boxed(folder: Path) -> Path:
    """Write images of three classes with a box each."""
    write_tree(folder, 8, side=32)
    rows = [f"{path.relative_to(folder)},{path.parent.name},4,5,20,30" for path in sorted(folder.rglob("*.png"))]
    (folder / "boxes.csv").write_text("\n".join(["file,label,xmin,ymin,xmax,ymax", *rows]))
    return folder


@pytest.mark.parametrize("recipe", ALL, ids=lambda path: path.stem)
def test_header_says_command_and_figure(recipe: Path) -> None:
    header = "".join(line for line in recipe.read_text().splitlines(keepends=True) if line.startswith("#"))
    command = re.search(r"^#\s+(tfvision (?:train|crossval|search|ensemble) .*)$", header, re.MULTILINE)
    assert command, "the header names no command"
    args = build_parser().parse_args(shlex.split(command[1])[1:])
    assert Path(args.config).name == recipe.name
    if recipe.stem in NOT_RUN:
        assert re.search("^# not yet run.*: .+", header, re.MULTILINE)
    elif recipe in SEARCHES:
        assert re.search(r"here: best .* val_f1 [01]\.\d{4}", header), "no figure"
        assert re.search(r"seed \d+.*20\d\d-\d\d-\d\d.*cores", header, re.DOTALL), "no seed, date and machine"
    else:
        assert re.search(r"test .*0\.\d{4} \[0\.\d{4}, [01]\.\d{4}\]", header), "no figure with its interval"
        assert re.search(r"seed \d+.*20\d\d-\d\d-\d\d.*cores", header, re.DOTALL), "no seed, date and machine"


def test_flags_beat_the_recipe() -> None:
    recipe = str(ROOT / "configs" / "earth_mobilenet_v2.yaml")
    config = train_config(
        build_parser().parse_args(["train", "--config", recipe, "--image-size", "64", "--augment.zoom", "0"])
    )
    assert (config.image_size, config.augment.zoom) == (64, 0.0)
    assert config.backbone == "mobilenet_v2" and config.augment.quarter_turns


def test_a_folder_called_like_a_recipe_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, path = next(iter(recipes().items()))
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert find_recipe(name) == path
    (tmp_path / "mine").write_text("epochs: 1\n")
    assert find_recipe("mine") == Path("mine")
    assert find_recipe(f"{name}/c") == Path(name) / "c"
