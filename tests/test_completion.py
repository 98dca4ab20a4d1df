"""What the TAB key offers: in this process, through bash's own function, and in a bash that someone types in."""

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import argcomplete
import pytest

from tfvision.cli import main
from tfvision.cli.completing import _WORDS, offer_completions
from tfvision.tracking.trackers import TRACKERS
from tfvision.training.shallow.classifiers import classifier_names

ROOT = Path(__file__).parent.parent


class Answered(Exception):
    pass


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ask as a shell does, in a folder with two runs, images and files."""
    for name in (
        "runs/one/config.yaml",
        "runs/other/deep/config.yaml",
        "photos/cat.jpg",
        "mine.yaml",
        "w.h5",
        ".hidden",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    plain = argcomplete.CompletionFinder()

    def words(line: str) -> list[str]:
        said = io.StringIO()

        def stop(status: int) -> None:
            raise Answered

        def autocomplete(*args, **options) -> None:
            plain(*args, **options, output_stream=said, exit_method=stop)

        for name, value in (("COMP_LINE", line), ("COMP_POINT", str(len(line))), ("_ARGCOMPLETE", "1")):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(argcomplete, "autocomplete", autocomplete)
        monkeypatch.setattr(argcomplete.CompletionFinder, "_init_debug_stream", lambda self: None)
        monkeypatch.setattr("argcomplete.io.debug_stream", io.StringIO(), raising=False)
        with pytest.raises(Answered):
            main([])
        return [word.strip().replace("\\", "") for word in said.getvalue().split("\013") if word]

    return words


def test_verbs(ask) -> None:
    assert ask("tfvision trai") == ["train"] and set(ask("tfvision tr")) == {"track", "train"}
    assert ask("tfvision train --track ") == list(TRACKERS)
    assert {"audit", "train", "doctor", "completion"} <= set(ask("tfvision "))


def test_two_hyphens_offer_what_help_shows_and_a_letter_more_all(ask) -> None:
    main_ones, all_ones = ask("tfvision train --"), ask("tfvision train --a")
    assert {"--backbone", "--epochs", "--output", "--help", "--help-all"} <= set(main_ones) and len(main_ones) < 35
    assert not {"--augment.rotation", "--lr", "--print-config"} & set(main_ones)
    assert {"--augment.rotation", "--arch", "--augmix"} <= set(all_ones)
    assert ask("tfvision train --lr") == ["--lr"]
    assert not [word for word in ask("tfvision train ") if word.startswith("-")]


def test_values_of_flags(ask) -> None:
    assert ask("tfvision train --backbone mobilenet_v2_0") == [
        "mobilenet_v2_035",
        "mobilenet_v2_050",
        "mobilenet_v2_075",
    ]
    assert ask("tfvision train --backbone=vgg") == ["--backbone=vgg16", "--backbone=vgg19"]
    assert ask("tfvision train --preset ") == ["fast", "balanced", "best"]
    assert ask("tfvision train --optimizer s") == ["sgd"]
    assert ask("tfvision train --train-batch-norm ") == ["true", "false"]
    assert ask("tfvision train --epochs ") == [] and ask("tfvision train --phases ") == []
    assert ask("tfvision predict x y --device ") == ["cpu", "gpu"]


def test_stages_are_those_of_the_backbone_on_the_line(ask) -> None:
    assert ask("tfvision train --backbone VGG16 --unfreeze block") == [f"block{k}" for k in range(1, 6)]
    assert "Conv_1" in ask("tfvision train --unfreeze ")


def test_recipes_and_files(ask) -> None:
    assert ask("tfvision train --config cac") == ["cactus", "cactus_search"]
    assert ask("tfvision train --config m") == ["mars_craters", "mars_craters_all", "mine.yaml"]
    assert ask("tfvision audit --config m") == ["mine.yaml"]
    assert ask("tfvision list recipes cac") == ["cactus", "cactus_search"]
    assert ask("tfvision list ") == ["backbones", "recipes"] and ask("tfvision list backbones ") == []
    assert ask("tfvision train ph") == ["photos/"] and ask("tfvision train --data photos/") == ["photos/cat.jpg"]
    assert ask("tfvision train --weights w") == ["w.h5"] and ".hidden" not in ask("tfvision train ")
    assert ask("tfvision train --output ru") == ["runs/"] and ask("tfvision explain runs/one x --output w") == []


def test_runs_are_found_where_they_are(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("tfvision evaluate ") == ["photos/", "runs/", "runs/one", "runs/other/"]
    assert ask("tfvision evaluate runs/o") == ["runs/one", "runs/other/"]
    assert ask("tfvision compare runs/one runs/other/") == ["runs/other/deep"]
    assert ask("tfvision train --resume ru") == ["runs/"]
    monkeypatch.setenv("HOME", os.getcwd())
    assert ask("tfvision evaluate ~/runs/on") == ["~/runs/one"]
    assert ask("tfvision evaluate nosuch/") == []


def test_words_that_stand_for_a_table_are_those_of_the_table() -> None:
    assert classifier_names(",".join(_WORDS["classifier"])) == list(_WORDS["classifier"])


def test_without_a_question_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("_ARGCOMPLETE", raising=False)
    offer_completions(lambda: pytest.fail("a parser was built"))


# ---- shells


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment whose `tfvision` is this checkout's, and a folder with a run."""
    program = tmp_path / "bin" / "tfvision"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfvision "$@"\n')
    program.chmod(0o755)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "config.yaml").write_text("")
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb", "HISTFILE": "", "INPUTRC": os.devnull}


def test_bash_gets_the_answer_and_no_tensorflow_is_loaded(tmp_path: Path, shell: dict[str, str]) -> None:
    """The function that the script defines is called as readline calls it."""
    guard = tmp_path / "guard"  # a TensorFlow and a NumPy that nobody may import
    for name in ("tensorflow", "keras", "numpy"):
        (guard / name).mkdir(parents=True)
        (guard / name / "__init__.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'a').write({name!r})\n")
    shell["PYTHONPATH"] = f"{guard}{os.pathsep}{ROOT}"
    script = """
        eval "$(tfvision completion bash)" || exit 1
        complete -p tfvision > /dev/null || exit 2
        for line in 'tfvision train --backbone vgg1' 'tfvision evaluate runs/f' 'tfvision train --label-sm'; do
            COMP_LINE="$line" COMP_POINT=${#line} COMP_TYPE=9 COMPREPLY=()
            _python_argcomplete tfvision
            printf '[%s]' "${COMPREPLY[@]}"; echo
        done
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=shell, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["[vgg16][vgg19]", "[runs/first ]", "[--label-smoothing ]"]
    assert not (tmp_path / "loaded").exists()


def test_someone_types_in_bash(tmp_path: Path, shell: dict[str, str]) -> None:
    """A bash on a terminal: what the TAB key adds to the line is run."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=slave, stdout=slave, stderr=slave, env=shell, cwd=tmp_path, close_fds=True,
    )  # fmt: skip
    os.close(slave)
    try:
        os.write(master, b'eval "$(tfvision completion bash)"; echo rea""dy\n')
        _read_until(master, "ready\r\n")
        os.write(master, b"tfvision train --backbone mobilenet_v2_13\t")
        assert "mobilenet_v2_130 " in _read_until(master, "_130 ")
        os.write(master, b"--resume runs/fi\t")
        assert "runs/first " in _read_until(master, "first ")
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _read_until(terminal: int, end: str, seconds: float = 60) -> str:
    said, since = "", time.monotonic()
    while end not in said:
        left = seconds - (time.monotonic() - since)
        assert left > 0 and select.select([terminal], [], [], left)[0], f"expected {end!r}, got {said!r}"
        said += os.read(terminal, 4096).decode("utf-8", "replace")
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(name: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["completion", name]) == 0
    said = capsys.readouterr().out
    assert "_ARGCOMPLETE" in said and "tfvision" in said and len(said.splitlines()) > 15
    assert ("compdef" in said) == (name != "fish")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture) -> None:
    assert main(["completion", "ksh"]) == 2
    assert "known are bash, zsh, fish" in capsys.readouterr().err
