"""What people type: the data as a word, other names of flags, spellings of backbones, and no data at all."""

from pathlib import Path

import keras
import pytest
from conftest import write_tree
from test_sources import PNG, build

import tfvision
from tfvision.cli import build_parser, main
from tfvision.cli.train import train_config
from tfvision.config.options import from_dict
from tfvision.config.yaml import parse_yaml
from tfvision.data.sources.here import data_here
from tfvision.data.sources.open import open_images
from tfvision.errors import UsageError
from tfvision.models.backbones.table import BACKBONES, backbone_facts, backbone_name
from tfvision.training.config import TrainConfig


def typed(*words: str) -> TrainConfig:
    return train_config(build_parser().parse_args(["train", *words]))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["photos"], {"data": "photos"}),
        (["--data=photos"], {"data": "photos"}),
        (["photos", "--batch", "32", "--lr", "0.01"], {"batch_size": 32, "learning_rate": 0.01}),
        (["photos", "--batch_size=8", "--learning_rate", "0.1"], {"batch_size": 8, "learning_rate": 0.1}),
        (["photos", "--image-size", "96x96"], {"image_size": 96}),
        (["photos", "--imgsz", "96"], {"image_size": 96}),
        (["photos", "--backbone", "VGG16", "--weights", "None"], {"backbone": "vgg16", "weights": "none"}),
        (["photos", "--backbone", "vgg-16", "--label_column", "x"], {"backbone": "vgg16"}),
        (["photos", "--source.label_column", "x", "--mixup", "0.2"], {"data": "photos"}),
    ],
)
def test_flags(words: list[str], expected: dict[str, object]) -> None:
    found = typed(*words)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photos", "--data", "others"], "given twice, as photos and as --data others"),
        (["photos", "--image-size", "96x128"], "squares here, got 96x128"),
        (["photos", "--bathc", "3"], "did you mean --batch"),
        (["photos", "--backbone", "efficientnet"], "did you mean efficientnet_b0"),
    ],
)
def test_flags_that_are_not_understood(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        backbone_facts(typed(*words).backbone)


def test_print_config_shows_what_a_preset_stands_for(capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "photos", "--preset", "best", "--print_config"]) == 0
    config = from_dict(TrainConfig, parse_yaml(capsys.readouterr().out, "printed"))
    assert config.preset is None and [phase.name for phase in config.phases or []] == ["head", "fine-tune"]


def test_options_in_python() -> None:
    found = from_dict(
        TrainConfig, {"data": "x", "weights": None, "batch": 8, "image_size": (96, 96), "backbone": "ResNet50V2"}
    )
    assert (found.weights, found.batch_size, found.image_size, found.backbone) == ("none", 8, 96, "resnet50_v2")
    with pytest.raises(UsageError, match="lr is learning_rate, which is given too"):
        from_dict(TrainConfig, {"learning_rate": 1, "lr": 2})


def test_every_backbone_is_found_by_the_name_of_its_class() -> None:
    for name in BACKBONES:
        for spelling in (name.upper(), name.replace("_", "-"), name.replace("_", ""), name.title().replace("_", "")):
            assert backbone_name(spelling) == name
    assert [backbone_name(name) for name in ("MobileNetV2", "EfficientNetV2B0", "ConvNeXtBase", "hub/x", "nothing")] == [
        "mobilenet_v2", "efficientnet_v2_b0", "convnext_base", "hub/x", "nothing",
    ]  # fmt: skip


def test_without_data_the_current_folder_or_the_example_and_the_first_line_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name, files, expected in (
        ("empty", {}, "digits"),
        (
            "code",
            {f"src/{k}.py": "x" for k in range(9)} | {f"docs/{c}/{k}.png": PNG for c in "ab" for k in range(3)},
            "digits",
        ),
        ("flat", {f"{k}.png": PNG for k in range(9)}, "digits"),
        ("photos", {f"{c}/{k}.png": PNG for c in "ab" for k in range(3)} | {"labels.txt": "x"}, "."),
    ):
        monkeypatch.chdir(build(tmp_path / name, files))
        assert data_here() == expected, name
        said = capsys.readouterr().out + capsys.readouterr().err
        assert ("embedded example, 1,797 digits" in said) == (expected == "digits")
    assert typed("photos").data == "photos" and typed().data == "."


def test_runs_below_the_images_are_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = {f"runs/x/{name}": "x" for name in ("config.yaml", "splits.csv")} | {"runs/x/plots/roc.png": PNG}
    monkeypatch.chdir(build(tmp_path, run | {f"{c}/{k}.png": PNG for c in "ab" for k in range(3)}))
    images = open_images(".")
    assert images.class_names == ("a", "b")
    assert images.notes == ("not read: 1 folders that tfvision wrote (such as runs/x/)",)
    assert data_here() == "."
    assert open_images("runs/x/plots", labelled=False).ids == ("roc.png",)  # where it is asked for


@pytest.mark.usefixtures("without_pictures")
def test_a_run_of_this_folder_is_named_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(write_tree(tmp_path / "colours", 6))
    assert main(["train", "--backbone", "small_cnn", "--weights", "none", "--epochs", "1"]) == 0
    assert main(["train", "--backbone", "small_cnn", "--weights", "none", "--epochs", "1", "--output", "second"]) == 0
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("colours-small_cnn-")
    assert "blue" in (run / "splits.csv").read_text() and "runs/" not in Path("second/splits.csv").read_text()


@pytest.mark.slow  # it builds ConvNeXtBase
def test_the_shortest_command_without_a_network_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    build = keras.applications.ConvNeXtBase

    def offline(*, weights: str | None = None, **options: object) -> keras.Model:
        if weights == "imagenet":
            raise OSError("URL fetch failure")
        return build(weights=weights, **options)

    monkeypatch.setattr("keras.applications.ConvNeXtBase", offline)
    for variable in ("TFVISION_WEIGHTS", "TFVISION_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--backbone", "convnext_base"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tfvision: ")]
    assert "convnext_base_notop.h5" in line and "--weights none" in line and not list(tmp_path.iterdir())


def test_list_says_what_can_be_listed(capsys: pytest.CaptureFixture) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "tfvision list backbones" in said and "tfvision list recipes" in said


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_what_unfreeze_opened_stays_open_in_train(colours: Path, tmp_path: Path) -> None:
    images = open_images(colours)
    for number, (wanted, options, expected) in enumerate((
        ("2", {}, "2"), ("2", {"unfreeze": "none"}, "none"), (None, {}, "all"),
    )):  # fmt: skip
        model = tfvision.build_classifier("small_cnn", 3, image_size=16, weights="none")
        if wanted:
            tfvision.unfreeze(model, wanted)
        run = tfvision.train(model, images, epochs=1, output=tmp_path / str(number), **options)
        assert [phase.unfreeze for phase in run.config.phases] == [expected]


@pytest.mark.parametrize("verb", ["train", "crossval", "learning-curve", "audit", "search --config head_search"])
def test_every_verb_that_trains_takes_the_data_as_a_word(verb: str, capsys: pytest.CaptureFixture) -> None:
    assert main([*verb.split(), "nosuch"]) == 3
    assert "no such data: nosuch" in capsys.readouterr().err
