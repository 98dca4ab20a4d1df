"""Verbs as functions: what notebooks give them, and what they refuse before anything is computed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import tfvision
from tfvision.cli import main
from tfvision.config.nested import flatten_mapping, merge, to_plain
from tfvision.config.options import from_dict
from tfvision.config.recipes import recipes
from tfvision.config.yaml import load_yaml
from tfvision.errors import DataError, UsageError, WriteError
from tfvision.experiment.resolving import resolve_options
from tfvision.search.plan import parse_search
from tfvision.search.ranges import names_range
from tfvision.search.reading import read_options
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase


def test_every_recipe_of_a_search_is_one() -> None:
    searches = {name: load_yaml(path) for name, path in recipes().items() if "search" in load_yaml(path)}
    assert len(searches) >= 3
    for options in searches.values():
        assert parse_search({**options, "weights": "none"}).stages


@pytest.mark.parametrize("wrong", [{"schedule": "cosin"}, {"epochs": 2.5}])
def test_phases_made_in_python_are_checked_as_those_of_a_file(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=rf"phases\[0\].{next(iter(wrong))}"):
        from_dict(TrainConfig, {"phases": [Phase(**wrong)]})
    assert from_dict(TrainConfig, {"phases": [Phase(unfreeze=15)]}).phases == [Phase(unfreeze="15")]


def test_options_made_in_python_become_those_of_a_file() -> None:
    given = {"data": Path("a.zip"), "phases": (Phase(epochs=2),)}
    plain = to_plain(given)
    assert plain["data"] == "a.zip" and plain["phases"][0]["epochs"] == 2
    assert from_dict(TrainConfig, given) == from_dict(TrainConfig, plain)


def test_a_range_that_is_given_replaces_one_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("weights: none\nlearning_rate: {float: [1e-4, 1e-2], log: true}\nsearch: {trials: 2}\n")
    options = read_options(path, None, {"learning_rate": {"choice": [0.001, 0.002]}})
    assert options["learning_rate"] == {"choice": [0.001, 0.002]}
    base = {"head": {"dropout": {"float": [0, 0.5], "step": 0.1}, "units": [8]}}
    over = {"head": {"dropout": {"float": [0, 0.2]}}}
    assert merge(base, over, is_value=names_range) == {"head": {"dropout": {"float": [0, 0.2]}, "units": [8]}}
    assert flatten_mapping(over, is_value=names_range) == {"head.dropout": {"float": [0, 0.2]}}


def test_stages_that_are_given_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("weights: none\n")
    stages = [{"ranges": {"batch_size": {"choice": [8, 16]}, "optimizer": {"choice": ["adam", "sgd"]}}}]
    read_options(path, None, {"batch_size": 8, "search": {"stages": stages, "algorithm": "grid"}})
    assert list(stages[0]["ranges"]) == ["batch_size", "optimizer"]


def test_short_options_are_resolved_for_shallow_classifiers_too() -> None:
    config = TrainConfig(classifier="knn", backbone="vgg16", weights="none", unfreeze="none")
    assert resolve_options(config).unfreeze is None


def test_an_unfinished_run_says_how_to_finish_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: digits\n")
    for ask in (tfvision.evaluate, tfvision.export, lambda run: tfvision.predict(run, "x.jpg")):
        with pytest.raises(DataError, match="has no model yet; finish it with `tfvision train --resume"):
            ask(tmp_path)


def test_a_finished_run_is_resumed_by_its_own_options(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    assert tfvision.train(resume=run).folder == run
    (run / "report.html").unlink()
    with pytest.raises(UsageError, match=r"batch_size: 8 -> 4"):
        tfvision.train(resume=run, batch_size=4)


def test_files_that_cannot_be_written_are_refused_before_the_work(
    small_run: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfvision.prediction.stored.load_model", lambda path: pytest.fail("a model was loaded"))
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "scores.json"
    for ask in (
        lambda: tfvision.evaluate(small_run, colours, output=output),
        lambda: tfvision.evaluate(small_run, colours, predictions=output),
        lambda: tfvision.evaluate_corrupted(small_run, colours, "noise", output=output),
        lambda: tfvision.certify(small_run, colours, output=output),
        lambda: tfvision.texture(small_run, data=colours, output=output),
        lambda: tfvision.predict(small_run, colours, output=output),
    ):
        with pytest.raises(WriteError, match="cannot write"):
            ask()


def test_evaluate_and_predict_answer_from_python(small_run: Path, colours: Path, tmp_path: Path) -> None:
    found = tfvision.evaluate(small_run)
    assert found.name == "test" and found.scores["accuracy"] == tfvision.open_run(small_run).metrics["test"]["accuracy"]
    other = tfvision.evaluate(small_run, colours, output=tmp_path / "scores.json", predictions=tmp_path / "said.csv")
    said = tfvision.predict(small_run, colours)
    assert other.scores["n"] == len(said) == 60 and "accuracy" in other.describe()
    np.testing.assert_allclose(said.probabilities, other.predictions.probabilities, atol=1e-6)
    assert other.scores["learned"] == {"train": 48, "validation": 6} and "trained on 48" in other.remarks()[1]
    tested = [name for name, part in tfvision.open_run(small_run).parts.items() if part == "test"]
    images = tfvision.open_images(colours)
    clean = tfvision.evaluate(small_run, images.select([images.ids.index(name) for name in tested]))
    assert "learned" not in clean.scores and not any("trained on" in line for line in clean.remarks())
    assert len(said.lines()) == 60 and (tmp_path / "scores.json").is_file() and (tmp_path / "said.csv").is_file()
    with pytest.raises(UsageError, match="did you mean label_column"):
        tfvision.evaluate(small_run, colours, label_colum="x")


def test_wrong_ways_to_train_say_what_to_give() -> None:
    with pytest.raises(UsageError, match="give data="):
        tfvision.train("eurosat.zip", "images")
    with pytest.raises(UsageError, match="one of them alone"):
        tfvision.train("eurosat.zip")
    with pytest.raises(UsageError, match="resume=True needs output="):
        tfvision.train(resume=True)
    with pytest.raises(UsageError, match="expected one or several"):
        tfvision.crossval("digits", backbone=[])


def test_a_run_that_did_not_finish_is_not_exported_and_answers_with_a_word(
    small_run: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    half = tmp_path / "half"
    shutil.copytree(small_run, half)
    (half / "metrics.json").unlink()
    (half / "predictions.csv").unlink()
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(small_run), "half"]) == 3
    assert "the run did not finish; go on with" in capsys.readouterr().err
    assert main(["train", "--data", str(colours), "--output", "half"]) == 2
    assert "its run did not finish: go on with `tfvision train --resume half`, or choose" in capsys.readouterr().err
    assert main(["export", "half"]) == 3
    assert "the run did not finish; go on with `tfvision train --resume half`" in capsys.readouterr().err
    assert not Path("saved_models").exists()
    assert main(["predict", "half", str(colours)]) == 0
    assert "half did not finish: this is its best model so far, without scores" in capsys.readouterr().out


def test_what_is_no_run_says_what_to_give(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for fold in (1, 2):
        shutil.copytree(small_run, tmp_path / "cv" / f"fold_{fold}")
    (tmp_path / "none").mkdir()
    for words, said in {
        ("predict", "cv", "digits"): "cv holds several runs; name one of them: cv/fold_1, cv/fold_2",
        ("export", "cv"): "cv holds several runs; name one of them: cv/fold_1, cv/fold_2",
        ("predict", "none", "digits"): "none is no model; expected a run folder of",
        ("evaluate", str(small_run / "model.keras")): "is no run and has no images of its own; give labelled ones with",
    }.items():
        assert main(list(words)) == 3
        assert said in capsys.readouterr().err
    assert main(["export", str(small_run), "--output", "cv/fold_1"]) == 2
    assert "cv/fold_1 is a run; a SavedModel goes elsewhere" in capsys.readouterr().err
