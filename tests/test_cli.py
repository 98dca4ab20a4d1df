"""The command line as a user meets it: verbs, exit statuses, one line an error."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import write_tree

import tfvision
from tfvision.cli import build_parser, main
from tfvision.config.options import leaves
from tfvision.errors import DataError
from tfvision.training.config import TrainConfig

VERBS = next(list(action.choices) for action in build_parser()._actions if action.choices)


def fails(capsys: pytest.CaptureFixture, *words: object) -> tuple[int, str]:
    """Run a command that must fail; return its status and its message, which must be one line (or a list)."""
    status = main([str(word) for word in words])
    message = capsys.readouterr().err
    assert status != 0 and message.startswith("tfvision: ") and "Traceback" not in message
    return status, message


SMALL = ("--backbone", "small_cnn", "--weights", "none", "--small-cnn.filters", "[4, 4]", "--image-size", "16")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backbone", "mobilnet_v2"], "did you mean mobilenet_v2"),
        (["--bakcbone", "vgg16"], "did you mean --backbone"),
        (["--epochs", "ten"], "expected an integer"),
        (["--epochs", "0"], "expected 1 or more"),
        (["--optimizer", "adm"], "did you mean adam"),
        (
            ["--unfreeze", "blok_16", "--backbone", "mobilenet_v2", "--weights", "none", "--image-size", "32"],
            "did you mean block_16",
        ),
        (["--backbone", "small_cnn"], "has no ImageNet weights"),
        (["--weights", "no.h5"], "no weights file"),
        (["--config", "none.yaml"], "cannot read the configuration"),
        ([*SMALL, "--split.validation", "0.6", "--split.test", "0.6"], "expected shares"),
        ([*SMALL, "--batch-size", "0"], "batch"),
        ([*SMALL, "--augment.zoom", "5"], "augment.zoom"),
        ([*SMALL, "--label-smoothing", "2"], "--label-smoothing: expected a number from 0 to under 1"),
        ([*SMALL, "--positive-class", "gren"], "positive class"),
    ],
)
def test_usage_errors_exit_2(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture, words: list[str], message: str
) -> None:
    status, found = fails(capsys, "train", "--data", colours, "--output", tmp_path / "run", *words)
    assert status == 2 and message in found and found.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_existing_run_folder_exits_2(colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert fails(capsys, "train", "--data", colours, "--output", tmp_path, *SMALL)[0] == 2


def test_a_python_tag_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "c.yaml").write_text("data: !!python/object/apply:os.system ['touch hacked']\n")
    status, message = fails(capsys, "train", "--config", tmp_path / "c.yaml")
    assert status == 2 and "python" in message and not Path("hacked").exists()


def test_phases_and_epochs_in_one_file_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "c.yaml").write_text("epochs: 3\nphases: [{epochs: 2}]\n")
    status, message = fails(capsys, "train", "--config", tmp_path / "c.yaml")
    assert status == 2 and "phases and also epochs" in message


def broken(tmp_path: Path, kind: str) -> Path:
    """Write data that is wrong in one way."""
    data = tmp_path / kind
    if kind == "missing":
        return data
    if kind == "empty":
        data.mkdir()
        return data
    write_tree(data, 2 if kind == "few" else 4, ("red",) if kind == "one class" else ("green", "red"))
    if kind == "unreadable":
        (data / "red" / "red_001.png").write_bytes(b"no image")
    elif kind == "bomb":
        png = bytearray((data / "red" / "red_001.png").read_bytes())
        png[16:24] = (100_000).to_bytes(4, "big") * 2
        (data / "red" / "red_001.png").write_bytes(png)
    elif kind == "column":
        (data / "labels.csv").write_text("file,kind\nred/red_000.png,a\ngreen/green_000.png,b\n")
    elif kind == "escape":
        (data / "labels.csv").write_text("file,label\n../../etc/x.png,a\nred/red_000.png,b\n")
    return data


@pytest.mark.parametrize(
    ("kind", "message", "options"),
    [
        ("missing", "no such data", []),
        ("empty", "no images", []),
        ("few", "fewer than 3 images", []),
        ("one class", "one class", []),
        ("unreadable", "red/red_001.png", []),
        ("bomb", "100,000", []),
        ("column", "label_colum", ["--label-column", "label_colum"]),
        ("escape", "../../etc/x.png", ["--label-column", "label"]),
    ],
)
def test_data_errors_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture, kind: str, message: str, options: list[str]
) -> None:
    status, found = fails(
        capsys, "train", "--data", broken(tmp_path, kind), "--output", tmp_path / "run", *SMALL, *options
    )
    assert status == 3 and message in found and found.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_unreadable_images_can_be_skipped(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = broken(tmp_path, "unreadable")
    assert main(["train", "--data", str(data), "--dry-run", "--on-bad", "skip", *SMALL]) == 0
    assert "1 unreadable left out: red/red_001.png" in capsys.readouterr().out


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "train",
        "--data",
        str(colours),
        "--dry-run",
        "--backbone",
        "small_cnn",
        "--weights",
        "none",
        "--image-size",
        "32",
    ]
    assert main([*words, "--epochs", "2", "--unfreeze", "2"]) == 0
    plan = capsys.readouterr().out
    assert "48 train, 6 validation, 6 test" in plan
    assert "16x16 px" in plan and "enlarged to 32x32 inside the model" in plan
    assert "2 epochs" in plan and "open: 2" in plan
    assert not list(tmp_path.iterdir())


def test_print_config_is_a_config(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    assert main(["train", "--print_config", "--backbone", "vgg16", "--head.units", "[256]"]) == 0
    text = capsys.readouterr().out
    assert "# architecture" in text
    (tmp_path / "c.yaml").write_text(text)
    assert main(["train", "--config", str(tmp_path / "c.yaml"), "--print_config"]) == 0
    assert capsys.readouterr().out == text
    assert "backbone: vgg16" in text and "units: [256]" in text


def test_evaluate_writes_one_part_and_matches_classes_by_name(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_tree(tmp_path / "other", 5, ("green", "red"))
    out = tmp_path / "other.json"
    assert main(["evaluate", str(small_run), "--data", str(tmp_path / "other"), "--output", str(out)]) == 0
    assert "no images of blue" in capsys.readouterr().out
    scores = json.loads(out.read_text())
    assert scores["n"] == 10 and scores["missing_classes"] == ["blue"]
    # By name: green and red are classes 1 and 2 of the model, 0 and 1 of these images.
    assert scores["class_names"] == ["blue", "green", "red"]
    assert [sum(row) for row in scores["confusion_matrix"]] == [0, 5, 5]
    assert scores["accuracy"] == 1.0


def test_evaluate_refuses_unknown_classes(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (write_tree(tmp_path / "other", 5, ("green", "red")) / "red").rename(tmp_path / "other" / "pink")
    status, message = fails(capsys, "evaluate", small_run, "--data", tmp_path / "other")
    assert status == 3 and "does not know class pink" in message


def test_evaluate_without_data_shows_the_runs_own_test(small_run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", str(small_run)]) == 0
    assert capsys.readouterr().out.startswith("test")


def test_predict_writes_probabilities_of_images_of_any_size(small_run: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, size in enumerate([(40, 30), (7, 9), (16, 16)]):
        cv2.imwrite(str(photos / f"{number}.png"), np.full((*size, 3), (50, 40, 210), np.uint8))
    (photos / "notes.txt").write_text("no image")
    assert main(["predict", str(small_run), str(photos), "--output", str(tmp_path / "p.csv")]) == 0
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "id,predicted,p_blue,p_green,p_red"
    assert [line.split(",")[:2] for line in lines[1:]] == [["0.png", "red"], ["1.png", "red"], ["2.png", "red"]]
    assert sum(map(float, lines[1].split(",")[2:])) == pytest.approx(1, abs=1e-6)


def test_predict_lists_unreadable_images(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = broken(tmp_path, "unreadable")
    status, message = fails(capsys, "predict", small_run, data)
    assert status == 3 and "red/red_001.png" in message
    assert main(["predict", str(small_run), str(data), "--on-bad", "skip"]) == 0
    assert "1 left out" in capsys.readouterr().out


def test_predict_takes_the_column_of_files_that_an_error_asks_for(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data = tmp_path / "data.npz"
    pixels = np.full((2, 16, 16, 3), (210, 40, 50), np.uint8)
    np.savez(data, first=pixels, second=pixels[:1])
    status, message = fails(capsys, "predict", small_run, data)
    assert status == 3 and "--file-column" in message
    assert main(["predict", str(small_run), str(data), "--file-column", "second"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[1] == "red"
    status, message = fails(capsys, "predict", small_run, data, "--label-column", "first")
    assert status == 2 and "unknown argument --label-column" in message
    status, message = fails(capsys, "predict", small_run, data, "--on-bad", "skp")
    assert status == 2 and "did you mean skip" in message


def test_predict_with_what_is_no_model(tmp_path: Path, colours: Path, capsys: pytest.CaptureFixture) -> None:
    status, message = fails(capsys, "predict", tmp_path, colours)
    assert status == 3 and "expected a run folder" in message


def test_predict_prints_the_next_classes_and_json(
    small_run: Path, colours: Path, capsys: pytest.CaptureFixture
) -> None:
    photo = sorted((colours / "blue").iterdir())[0]
    capsys.readouterr()
    assert main(["predict", str(small_run), str(photo), "--top", "2"]) == 0
    name, first, one, second, two = capsys.readouterr().out.splitlines()[-1].split("  ")
    assert name == photo.name and first != second and float(one) >= float(two)
    assert main(["predict", str(small_run), str(colours), "--json", "--top", "2"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]  # every line is an object
    assert len(found) == 60
    same = next(one for one in found if one["id"] == f"blue/{photo.name}")
    assert same["predicted"] == first
    assert {key: f"{value:.4f}" for key, value in same["probabilities"].items()} == {first: one, second: two}
    assert main(["predict", str(small_run), str(photo), "--json"]) == 0
    (whole,) = capsys.readouterr().out.splitlines()
    assert sum(json.loads(whole)["probabilities"].values()) == pytest.approx(1)
    for words, message in ((["--top", "0"], "expected 1 or more"), (["--json", "--output", "x.csv"], "leave out one")):
        status, said = fails(capsys, "predict", small_run, photo, *words)
        assert status == 2 and message in said


def test_list_backbones_shows_all(capsys: pytest.CaptureFixture) -> None:
    from tfvision.models.backbones.table import BACKBONES

    assert main(["list", "backbones"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in BACKBONES)


def help_of(verb: str, flag: str, capsys: pytest.CaptureFixture) -> str:
    with pytest.raises(SystemExit) as stop:
        main([verb, flag])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_help_begins_with_examples_that_can_be_typed(verb: str, capsys: pytest.CaptureFixture) -> None:
    lines = help_of(verb, "--help", capsys).splitlines()
    assert len(lines) <= 80
    examples = [line.removeprefix("  tfvision ") for line in lines if line.startswith("  tfvision ")]
    assert examples and all(example.startswith(verb) and len(example) < 70 for example in examples)
    for example in examples:
        build_parser().parse_args(shlex.split(example))


@pytest.mark.parametrize("verb", ["train", "crossval", "learning-curve", "search"])
def test_help_shows_few_flags_and_help_all_every_one(verb: str, capsys: pytest.CaptureFixture) -> None:
    short, long = (help_of(verb, flag, capsys) for flag in ("--help", "--help-all"))
    assert "--backbone" in short and "--augment.erasing" not in short and "more options too" in short
    keys = {f"--{key.replace('_', '-')}" for key, _, _ in leaves(TrainConfig)}
    assert not [flag for flag in keys if flag not in long] and len(short) < len(long) / 3


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["list", "backbones"], ["train", "--print_config"]])
def test_what_only_tells_loads_neither_tensorflow_nor_keras(words: list[str]) -> None:
    script = (
        "import sys; from tfvision.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "loaded = {'tensorflow', 'keras', 'cv2', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True)


def test_a_fresh_process_is_quiet(colours: Path, tmp_path: Path) -> None:
    """Nothing on standard error: no word of CUDA, oneDNN or retracing that a user cannot act on."""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    words = ["train", "--data", str(colours), "--output", str(tmp_path / "run"), "--epochs", "1", *SMALL]
    done = subprocess.run([sys.executable, "-m", "tfvision", *words], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "WARNING" not in done.stdout and "report: " in done.stdout


@pytest.mark.parametrize("words", [["list", "backbones"], ["train", "--print_config"], ["train", "--help"]])
def test_a_reader_that_leaves_is_no_error(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tfvision", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 0)
    process.stderr.close()


def test_work_goes_on_after_its_reader_left() -> None:
    script = (
        "import sys; from tfvision.system.terminal import console, say_result\n"
        "for _ in range(3): console.print('x'); say_result('y'); print('z', flush=True)\n"
        "print('done', file=sys.stderr)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("done\n", 0)
    process.stderr.close()


def test_quiet_prints_only_results_and_errors(small_run: Path, colours: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", str(small_run), "--data", str(colours), "--quiet"]) == 0
    captured = capsys.readouterr()
    warning, result = captured.out.splitlines()
    assert warning == (
        "the model was trained on 48 and chosen by 6 of these 60 images (equal content): "
        "what it scores on them says nothing about new ones"
    )
    assert "accuracy" in result and not captured.err
    assert main(["evaluate", str(small_run), "--data", str(colours / "none"), "--quiet"]) == 3
    assert capsys.readouterr().err.startswith("tfvision: no such data")


def test_quiet_training_says_the_score(colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["--backbone", "small_cnn", "--weights", "none", "--epochs", "1", "--output", str(tmp_path / "run")]
    assert main(["train", "--data", str(colours), *words, "--quiet"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["validation", "test", "report:"]


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        main(["train", "--data", str(tmp_path / "none"), "--debug"])


def test_device_is_refused_by_name(small_run: Path, colours: Path, capsys: pytest.CaptureFixture) -> None:
    for device, message in (("gpu:7", "TensorFlow sees 0 GPUs"), ("tpu", "expected cpu, gpu or gpu:1")):
        assert main(["predict", str(small_run), str(colours), "--device", device]) == 2
        assert message in capsys.readouterr().err
    assert main(["predict", str(small_run), str(colours), "--device", "cpu", "--quiet"]) == 0


def test_other_arrays_are_read_by_the_rule_of_the_training(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Four white images would read as 0..255 of almost black if their own range decided."""
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    pixels = (generator.random((60, 16, 16, 3)) * 0.5 + labels[:, None, None, None] / 6).astype(np.float32)
    np.savez(tmp_path / "train.npz", images=pixels, labels=labels)
    np.savez(tmp_path / "white.npz", images=np.ones((4, 16, 16, 3), np.float32))
    np.savez(tmp_path / "large.npz", images=np.full((4, 16, 16, 3), 200, np.float32))
    words = ["--backbone", "small_cnn", "--weights", "none", "--epochs", "1", "--output", str(tmp_path / "run")]
    assert main(["train", "--data", str(tmp_path / "train.npz"), *words]) == 0
    assert "pixel_rule: float 0..1" in (tmp_path / "run" / "config.yaml").read_text()
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "white.npz")]) == 0
    assert "multiplied by 255" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "large.npz")]) == 3
    assert "do not fit the pixel rule 'float 0..1'" in capsys.readouterr().err


def test_a_table_with_one_class_is_named_where_folders_hold_several(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data = write_tree(tmp_path / "data", 5)
    rows = [f"blue/blue_{number:03}.png,kitty" for number in range(5)]
    (data / "labels.csv").write_text("\n".join(["file,label", *rows]))
    status, message = fails(capsys, "train", "--data", data, "--output", tmp_path / "run")
    assert status == 3
    assert "has only the class kitty (labels: column 'label' of labels.csv); expected two or more, such as" in message


def test_several_images_are_answered_in_their_order(
    small_run: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(colours)
    files = ["red/red_001.png", "blue/blue_004.png"]
    assert main(["predict", str(small_run), *files, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == files
    assert list(tfvision.predict(small_run, [colours / name for name in files]).ids) == files
    assert main(["explain", str(small_run), *files, "--output", str(tmp_path / "maps")]) == 0
    assert len(list((tmp_path / "maps" / "images").rglob("*.png"))) == 2
    capsys.readouterr()
    status, message = fails(capsys, "predict", small_run, "red/red_001.png", "red")
    assert status == 3 and "1 of 2 are no files: red; of folders give one" in message
    with pytest.raises(DataError, match="a list of files has no labels; give a DataFrame"):
        tfvision.evaluate(small_run, files)
