"""Mistakes that are refused at once: with one line, the right exit status, and before TensorFlow is loaded."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tfvision.cli import main

# What is typed, the exit status, and what the line names.
MISTAKES = (
    ("train --data nosuch", 3, "no such data: nosuch"),
    ("train --data colour", 3, "did you mean colours"),
    ("train --data colours --backbone mobilenet_v9", 2, "did you mean mobilenet_v"),
    ("train --data colours --weights nosuch.h5", 2, "nosuch.h5"),
    ("train --data colours --classifier forest", 2, "unknown classifier 'forest'"),
    ("train --data colours --epoch 3", 2, "did you mean --epochs"),
    ("train --data colours --split.test 1.5", 2, "test"),
    ("train --data colours --split.validation 0.6 --split.test 0.6", 2, "sum"),
    ("train --data colours --split.file nosuch.csv", 3, "nosuch.csv"),
    ("train --data colours --output there", 2, "there exists already"),
    ("train --data colours --positive-class purple", 2, "unknown positive class 'purple'"),
    ("train --data colours --label-column species", 3, "no CSV in colours"),
    ("train --data colours --device tpu", 2, "--device tpu"),
    ("train --data colours --task localize", 3, "boxes"),
    ("train --data colours --monitor val_iou", 2, "val_iou"),
    ("train --data colours --track tensorbord", 2, "unknown tracker 'tensorbord' (did you mean tensorboard?)"),
    ("track runs/nosuch", 3, "runs/nosuch does not exist"),
    ("track colours", 3, "colours holds no run"),
    ("track RUN --to nosuch", 2, "unknown tracker"),
    ("doctor --timeout 0", 2, "more than 0"),
    ("train --config nosuch", 2, "'nosuch'"),
    ("train --resume runs/nosuch", 3, "runs/nosuch"),
    ("train --resume runs/nosuch --output runs/x", 2, "--resume goes on in runs/nosuch; leave --output out"),
    ("train --data colours --learning-rate fast", 2, "--learning-rate: expected a number or auto"),
    ("train --data colours --weights none --learning-rate auto --classifier knn", 2, "learning_rate: means nothing"),
    ("train --data colours --preset fast --learning-rate auto", 2, "so learning_rate has no use"),
    ("train --data colours --config closed.yaml --learning-rate auto", 2, "auto means nothing for solver"),
    ("lr-find --data nosuch", 3, "no such data: nosuch"),
    ("lr-find --data colours --steps 3", 2, "--steps: expected 20 or more"),
    ("lr-find --data colours --lowest 1 --highest 2", 2, "ten times the lowest rate"),
    ("lr-find --data colours --classifier knn --weights none", 2, "no learning rate to find"),
    ("lr-find --data colours --config closed.yaml", 2, "fitted in one pass"),
    ("lr-find --data colours --weights none --output there", 2, "there exists already"),
    ("predict runs/nosuch x.jpg", 3, "runs/nosuch does not exist"),
    ("predict RUN nosuch.jpg", 3, "nosuch.jpg"),
    ("predict RUN colours --draw boxes", 2, "--draw"),
    ("predict RUN colours --tta 9999", 2, "--tta 9999"),
    ("evaluate runs/nosuch", 3, "runs/nosuch"),
    ("evaluate RUN --data nosuch", 3, "nosuch"),
    ("evaluate RUN --corrupt fog", 2, "unknown corruption 'fog'"),
    ("evaluate RUN --data other", 3, "purple"),
    ("certify runs/nosuch", 3, "runs/nosuch"),
    ("certify RUN --sigma 0", 2, "--sigma: expected more than 0"),
    ("certify RUN --samples 9", 2, "expected 10 or more"),
    ("certify RUN --data nosuch", 3, "nosuch"),
    ("texture runs/nosuch", 3, "runs/nosuch"),
    ("texture RUN RUN", 2, "each once"),
    ("texture RUN --data nosuch", 3, "nosuch"),
    ("texture RUN --limit 0", 2, "--limit: expected 1 or more"),
    ("compare RUN runs/nosuch", 3, "runs/nosuch"),
    ("ensemble RUN runs/nosuch", 3, "runs/nosuch"),
    ("ensemble RUN", 2, "two different runs or more"),
    ("ensemble RUN OTHER --method average", 2, "expected one of choose"),
    ("ensemble --config nosuch", 2, "nosuch"),
    ("ensemble RUN --resume", 2, "without --config"),
    ("threshold runs/nosuch", 3, "runs/nosuch"),
    ("threshold RUN --objective kappa", 2, "objective"),
    ("calibrate runs/nosuch", 3, "runs/nosuch"),
    ("export runs/nosuch", 3, "runs/nosuch"),
    ("export RUN --data nosuch", 3, "nosuch"),
    ("pseudo-label runs/nosuch", 3, "runs/nosuch"),
    ("pseudo-label RUN --data nosuch", 3, "nosuch"),
    ("crossval --data nosuch", 3, "nosuch"),
    ("crossval --data colours --folds 1", 2, "--folds 1"),
    ("crossval --data colours --backbone vgg16,vgg61 --weights none", 2, "did you mean"),
    ("learning-curve --data nosuch", 3, "nosuch"),
    ("learning-curve --data colours --shares 0.5,1", 2, "three or more shares"),
    ("learning-curve --data colours --forecast 1", 2, "more than the largest share"),
    ("learning-curve --data colours --output there --weights none", 2, "there exists already"),
    ("search --config head_search --data nosuch --weights none", 3, "nosuch"),
    ("search --config nosuch", 2, "nosuch"),
    ("audit --data nosuch", 3, "nosuch"),
    ("audit --data colours --output there", 2, "there exists already"),
    ("audit --data colours --backbone mobilenet_v9", 2, "mobilenet_v9"),
)
SCRIPT = """
import contextlib, io, json, sys
from tfvision.cli import main
for arguments in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main(arguments)
    heavy = sorted({"tensorflow", "keras", "sklearn", "matplotlib"} & sys.modules.keys())
    print("ANSWER" + json.dumps([status, said.getvalue(), heavy]))
"""


@pytest.fixture(scope="module")
def answers(
    tmp_path_factory: pytest.TempPathFactory, colours: Path, small_run: Path
) -> dict[str, tuple[int, str, list[str]]]:
    """What one fresh process says to all of them, and which heavy libraries it has loaded by then."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "there").mkdir()
    (folder / "closed.yaml").write_text("weights: none\nphases: [{solver: logistic_regression, unfreeze: none}]\n")
    (folder / "colours").symlink_to(colours)
    for name in ("blue", "purple"):
        (folder / "other" / name).mkdir(parents=True)
        (folder / "other" / name / "1.png").symlink_to(next((colours / "blue").glob("*.png")))
    typed = [shlex.split(line.replace("RUN", str(small_run))) for line, _, _ in MISTAKES]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(typed), capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    return {line: answer for (line, _, _), answer in zip(MISTAKES, found, strict=True)}


@pytest.mark.parametrize(("line", "status", "named"), MISTAKES)
def test_a_mistake_is_refused_in_one_line_without_tensorflow(
    answers: dict[str, tuple[int, str, list[str]]], line: str, status: int, named: str
) -> None:
    found, said, heavy = answers[line]
    assert (found, heavy) == (status, []), said
    assert named in said and said.count("\n") == 1 and said.startswith("tfvision: ")


def test_there_are_mistakes_of_every_verb() -> None:
    verbs = {line.split()[0] for line, _, _ in MISTAKES}
    assert len(MISTAKES) >= 12 and len(verbs) >= 11


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert main(["train", "--data", "digits"]) == 2
    said = capsys.readouterr().err
    assert "KERAS_BACKEND is jax" in said and said.count("\n") == 1


@pytest.mark.slow
def test_the_keras_json_of_another_project_changes_nothing(tmp_path: Path) -> None:
    text = {"floatx": "float16", "epsilon": 1e-7, "backend": "jax", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(text))
    code = (
        "import tfvision; model = tfvision.build_classifier('small_cnn', 2, image_size=16, weights='none')\n"
        "print(model.layers[-2].input.shape, model.input_shape, model.count_params(), model.weights[0].dtype)"
    )
    plain = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**plain, "KERAS_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for home in (tmp_path, tmp_path / "empty")
    ]
    assert found[0] == found[1] and "16, 16, 3" in found[0] and "float32" in found[0]
