"""Push: what arrives at a stand-in of the hub, byte for byte; no images, no paths of the machine; one line where it fails."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import TOKEN, HubStandIn

import tfvision
from tfvision.cli import main
from tfvision.errors import DataError, RunError, UsageError
from tfvision.models.model_file import read_facts
from tfvision.report.card.card import render_card
from tfvision.report.folder import read_run_files

pytest.importorskip("huggingface_hub", reason="uploads with it; pip install 'tfvision[push]'")

ROOT = Path(__file__).parent.parent


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubStandIn]:
    """A hub on the loopback, and a user who may write to it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.chdir(tmp_path)
    with HubStandIn() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to change."""
    return Path(shutil.copytree(small_run, tmp_path / "reds"))


def saved_model(run: Path, folder: Path) -> Path:
    """Write files such as an export leaves, with the facts of the run."""
    version = folder / "1"
    (version / "variables").mkdir(parents=True)
    (version / "assets.extra").mkdir()
    (version / "assets.extra" / "tfvision.json").write_text(read_facts(run / "model.keras").to_json())
    (version / "saved_model.pb").write_bytes(b"graph" * 30_000)
    (version / "variables" / "variables.index").write_bytes(b"")
    return version


def test_the_command_line_pushes_what_arrives_byte_for_byte(run: Path, hub: HubStandIn) -> None:
    version = saved_model(run, Path("saved_models/reds"))
    command = [sys.executable, "-m", "tfvision", "push", str(run), "me/reds", "--message", "First"]
    environment = {**os.environ, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/me/reds/commit/" in done.stdout and hub.commits == ["First"]
    arrived = hub.repos["me/reds"]["main"]
    for name in ("model.keras", "metrics.json", "predictions.csv"):
        assert arrived[name] == (run / name).read_bytes(), name
    assert arrived["saved_model/saved_model.pb"] == (version / "saved_model.pb").read_bytes()
    assert arrived["saved_model/variables/variables.index"] == b""
    with zipfile.ZipFile(run / "model.keras") as archive:
        assert arrived["model.weights.h5"] == archive.read("model.weights.h5")
    card = render_card(read_run_files(run), repo="me/reds", saved_model=True)
    assert arrived["README.md"].decode() == card
    assert "me/reds" not in hub.private


def test_no_image_and_no_path_of_the_machine_arrives(run: Path, hub: HubStandIn, colours: Path) -> None:
    found = tfvision.push(run, "me/reds")
    arrived = hub.repos["me/reds"]["main"]
    assert set(arrived) == {each.name for each in found.files}
    assert not [name for name in arrived if name.endswith((".png", ".jpg", ".html"))]
    assert "splits.csv" not in arrived and "mistakes.csv" not in arrived
    for name, content in arrived.items():
        assert str(colours.parent).encode() not in content and str(run.parent).encode() not in content, name
    assert b"data: colours\n" in arrived["config.yaml"] and str(colours) in (run / "config.yaml").read_text()
    assert "config.yaml: 1 absolute path shortened to the last name" in found.notes


def test_ids_of_images_stay_unless_they_are_paths(run: Path, hub: HubStandIn) -> None:
    head, first, *rest = (run / "predictions.csv").read_text().splitlines()
    cells = first.split(",")[1:]
    odd = [",".join([name, *cells]) for name in ("dogs'/a /b.png", "/home/me/my pictures/b.png")]
    (run / ".digests").unlink(missing_ok=True)
    (run / "predictions.csv").write_text("\n".join([head, *odd, *rest]) + "\n")
    found = tfvision.push(run, "me/reds")
    lines = hub.repos["me/reds"]["main"]["predictions.csv"].decode().splitlines()
    assert lines == [head, odd[0], ",".join(["b.png", *cells]), *rest]
    assert "predictions.csv: 1 absolute path shortened to the last name" in found.notes


def test_what_arrived_is_loaded_by_keras_and_by_tfvision(run: Path, hub: HubStandIn, tmp_path: Path) -> None:
    import keras

    tfvision.push(run, "me/reds")
    there = tmp_path / "there"
    for name, content in hub.repos["me/reds"]["main"].items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    own = keras.saving.load_model(run / "model.keras")
    # What `keras.saving.load_model("hf://me/reds")` does with the folder that it downloads.
    theirs = keras.saving.load_model(there)
    np.testing.assert_array_equal(theirs.predict(pixels, verbose=0), own.predict(pixels, verbose=0))
    assert tfvision.open_run(there).metrics == tfvision.open_run(run).metrics


def test_a_dry_run_lists_and_asks_nobody(run: Path, hub: HubStandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(run), "me/reds", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "README.md" in said and "model.keras" in said and "would go to me/reds" in said
    assert "--export makes one" in said
    assert not hub.requests and not hub.repos


def test_private_revision_and_licence(run: Path, hub: HubStandIn) -> None:
    tfvision.push(run, "me/reds", private=True, license="mit")
    assert hub.private == {"me/reds"} and "\nlicense: mit\n" in hub.repos["me/reds"]["main"]["README.md"].decode()
    tfvision.push(run, "me/reds", private=True, revision="v2", message="Second")
    assert hub.commits[-1] == "Second" and set(hub.repos["me/reds"]) == {"main", "v2"}


def test_private_never_goes_to_a_public_repository(run: Path, hub: HubStandIn) -> None:
    hub.repos["me/open"] = {"main": {}}
    with pytest.raises(RunError, match="exists on the hub and is public"):
        tfvision.push(run, "me/open", private=True)
    assert hub.repos["me/open"] == {"main": {}} and not hub.commits


def test_what_was_exported_from_something_else_stays_here(run: Path, hub: HubStandIn) -> None:
    version = saved_model(run, Path("saved_models/reds"))
    os.utime(version / "saved_model.pb", (1, 1))
    found = tfvision.push(run, "me/reds")
    assert not [name for name in hub.repos["me/reds"]["main"] if name.startswith("saved_model/")]
    assert any("before this one was changed" in note for note in found.notes)


def test_a_model_that_names_a_folder_of_this_machine_is_refused(run: Path, hub: HubStandIn) -> None:
    version = saved_model(run, Path("saved_models/reds"))
    (version / "saved_model.pb").write_bytes(b"x" * (2**20 - 3) + os.getcwd().encode() + b"/train.py")
    with pytest.raises(DataError, match=r"saved_model\.pb of the run names .*nothing was pushed"):
        tfvision.push(run, "me/reds")
    assert not hub.requests


@pytest.mark.parametrize("where", ["repos/create", "preupload", "batch", "commit"])
def test_a_hub_that_fails_ends_in_one_line(
    where: str, run: Path, hub: HubStandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the attempts of huggingface_hub
    (run / ".digests").unlink(missing_ok=True)
    (run / "predictions.csv").write_text((run / "predictions.csv").read_text() + "\n" * 200_000)  # goes by LFS
    hub.broken = where
    assert main(["push", str(run), "me/reds"]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tfvision: the hub answers 500 for me/reds")
    assert not hub.commits


def test_a_token_that_may_not_write_and_no_network(
    run: Path, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_someone_else")
    assert main(["push", str(run), "me/reds"]) == 4
    assert "the hub refuses to write to me/reds (401)" in capsys.readouterr().err
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["push", str(run), "me/reds"]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tfvision: cannot upload to http://127.0.0.1:9: ") and "try again" in line


def test_mistakes_are_refused_in_a_line(run: Path, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="expected OWNER/NAME, such as me/reds"):
        tfvision.push(run, "reds")
    with pytest.raises(DataError, match="does not exist"):
        tfvision.push(run.with_name("gone"), "me/reds")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UsageError, match="hf auth login"):
        tfvision.push(run, "me/reds")
    (run / "predictions.csv").unlink()
    with pytest.raises(DataError, match="has no predictions"):
        tfvision.push(run, "me/reds")
    (run / "metrics.json").unlink()
    with pytest.raises(DataError, match="did not finish"):
        tfvision.push(run, "me/reds")
    assert not hub.requests


def test_an_unfinished_run_is_refused_before_anything_heavy_is_imported(run: Path) -> None:
    (run / "metrics.json").unlink()
    code = (
        f"import sys, tfvision\ntry: tfvision.push({str(run)!r}, 'me/reds')\nexcept Exception as error: print(error)\n"
    )
    code += "assert not {'tensorflow', 'keras', 'huggingface_hub', 'cv2', 'matplotlib', 'numpy'} & sys.modules.keys(), 'heavy'"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "did not finish" in done.stdout


def test_it_shows_itself(run: Path, hub: HubStandIn) -> None:
    found = tfvision.push(run, "me/reds")
    assert f'<a href="{found.url}">' in found._repr_html_() and "model.keras" in found._repr_html_()
    assert repr(found).startswith(f"Pushed({len(found.files)} files, ")
    assert json.loads((run / "metrics.json").read_text())["test"]["n"]
