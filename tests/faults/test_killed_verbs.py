"""Whole verbs, in children of a process of their own: killed, interrupted, on a full disk; and run twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


def script(name: str, *words: object) -> dict:
    done = subprocess.run(
        [sys.executable, str(TESTS / name), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1) and "{" in done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_what_is_killed_is_finished_as_if_nothing_had_been(tmp_path: Path) -> None:
    """A sample of `python tests/kills.py`: each verb that trains several models, and some that write at their end."""
    verbs = ["crossval", "search", "pseudo-label", "one classifier", "ensemble of runs", "audit", "export"]
    found = script("kills.py", "--json", "--number", 8, "--seed", 5, "--verbs", *verbs)
    assert sum(found["faults"].values()) == 8
    assert (found["lost"], found["different"], found["wrong"]) == ([], [], [])


def test_what_is_interrupted_or_finds_the_disk_full_says_how_to_go_on(tmp_path: Path) -> None:
    """A sample of `python tests/kills.py --fault any`."""
    verbs = ["train", "search", "predict", "explain", "threshold"]
    found = script("kills.py", "--json", "--fault", "any", "--number", 15, "--seed", 6, "--verbs", *verbs)
    assert sum(found["faults"].values()) == 15 and len(found["where"]) > 2
    assert (found["lost"], found["different"], found["wrong"]) == ([], [], [])


def test_a_model_killed_while_it_is_saved_is_the_one_before() -> None:
    """At each step of Keras' own saving, and at many of its bytes."""
    found = script("killed_model.py", 50)
    assert found["kills"] >= 50 and found["wrong"] == []
    assert found["old"] > 45 and found["old"] + found["new"] == found["kills"]


def test_two_replicas_learn_what_one_does() -> None:
    """Nothing of ours distributes a training; a model is a plain one of Keras, and its user may."""
    found = script("two_replicas.py")
    assert found["moved"] > 0.01 and found["weights"] < 1e-6 and found["predictions"] < 1e-6


def test_equal_seeds_give_equal_results_and_others_others() -> None:
    """Of all that draws, in one process and in two."""
    assert script("twice.py", "train", "search", "attack", "certify") == {}
