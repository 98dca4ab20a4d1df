"""Ctrl-C and SIGTERM: wherever one arrives, the command ends as interrupted and says how to go on."""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from test_search import SPACES
from test_search import run as run_search

from tfvision.cli import main
from tfvision.errors import DataError, RunError, WriteError
from tfvision.evaluation.inference import one_line_errors
from tfvision.runs.folder import Run
from tfvision.runs.resume import part_of, resumable
from tfvision.search.stages import Trained
from tfvision.system.interruption import AGAIN, Terminated, exit_status, interruptible, raise_if_interrupted
from tfvision.training.config import TrainConfig

ROOT = Path(__file__).parent.parent.parent
SIGNALS = pytest.mark.parametrize(
    ("number", "kind", "status"), [(signal.SIGINT, KeyboardInterrupt, 130), (signal.SIGTERM, Terminated, 143)]
)


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    """Take SIGINT as Ctrl-C even in the background of a shell, which starts processes there with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def swallow(number: int) -> None:
    """Let a signal arrive where a library makes nothing of it."""
    with suppress(BaseException):
        signal.raise_signal(number)


@SIGNALS
def test_a_signal_becomes_its_interruption_and_handlers_are_put_back(
    number: signal.Signals, kind: type, status: int
) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt) as found, interruptible():
        signal.raise_signal(number)
    assert type(found.value) is kind and exit_status(found.value) == status
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    raise_if_interrupted()  # an earlier command's signal is not this one's


@SIGNALS
def test_what_a_destructor_swallows_is_raised_again(number: signal.Signals, kind: type, status: int) -> None:
    class Last:
        def __del__(self) -> None:
            signal.raise_signal(number)

    with pytest.raises(kind), interruptible():
        last = Last()
        del last
        gc.collect()
        for _ in range(500):
            time.sleep(0.01)
        pytest.fail("nothing was raised")


@SIGNALS
def test_what_is_swallowed_without_a_word_is_raised_again_but_not_into_what_cleans_up(
    number: signal.Signals, kind: type, status: int
) -> None:
    cleaned = []
    with pytest.raises(kind), interruptible():
        swallow(number)
        try:
            for _ in range(500):
                time.sleep(0.01)
        finally:
            for _ in range(80):  # longer than until the next time
                time.sleep(0.01)
            cleaned.append(True)
    assert cleaned == [True]


def test_an_error_that_stands_for_an_interruption_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with (
        pytest.raises(KeyboardInterrupt, match="go on with") as found,
        interruptible(),
        resumable(Run(tmp_path / "run")),
    ):
        swallow(signal.SIGINT)
        raise DataError("model.keras is damaged (SystemError: returned a result with an exception set)")
    assert found.value.__suppress_context__


def test_an_ignored_sigint_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)


@SIGNALS
def test_what_a_library_makes_of_an_interruption_is_no_error(number: signal.Signals, kind: type, status: int) -> None:
    with pytest.raises(kind), interruptible(), one_line_errors():
        swallow(number)
        raise RuntimeError("Unknown: KeyboardInterrupt")


@SIGNALS
def test_an_interrupted_trial_is_not_logged_as_failed(
    number: signal.Signals, kind: type, status: int, tmp_path: Path
) -> None:
    def interrupted(config: TrainConfig) -> Trained:
        swallow(number)
        raise RunError("TensorFlow failed: Unknown: KeyboardInterrupt")

    options = {**SPACES["random"], "search": {"algorithm": "random", "trials": 3}}
    with pytest.raises(kind), interruptible():
        run_search(options, tmp_path, interrupted)
    assert not (tmp_path / "trials").exists()


@SIGNALS
def test_the_command_line_tells_an_error_from_what_an_interruption_became(
    number: signal.Signals,
    kind: type,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def doctor(args: object) -> None:
        swallow(number)
        raise RunError("cannot read what was half-read")

    monkeypatch.setattr("tfvision.cli.doctor.doctor", doctor, raising=True)
    assert main(["doctor"]) == status
    assert capsys.readouterr().err == f"tfvision: {AGAIN}\n"


def test_the_way_on_is_said_once_and_only_of_what_is_there(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")

    def said(error: BaseException) -> str:
        with pytest.raises(type(error)) as found, part_of(tmp_path / "whole", "the whole"), resumable(run):
            raise error
        return str(found.value)

    assert said(KeyboardInterrupt()) == ""
    (tmp_path / "whole").mkdir()
    assert said(Terminated()) == "interrupted; all finished runs are saved: go on with the whole"
    run.folder.mkdir()
    assert said(KeyboardInterrupt()) == "interrupted; all finished epochs are saved: go on with the whole"
    assert said(WriteError("disk full")) == "disk full; then go on with the whole"
    assert said(RunError("NaN")) == f"NaN (run folder: {run.folder})"


def _end_of(words: list[str], environment: dict[str, str], after: float | None = None) -> tuple[int, str]:
    """Return exit status and standard error of a process, interrupted some seconds after its start."""
    process = subprocess.Popen(
        words,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    if after is not None:
        time.sleep(after)
        process.send_signal(signal.SIGINT)
    said = process.communicate()[1].decode()
    return process.returncode, said


def test_python_does_not_end_the_process_in_our_place(tmp_path: Path) -> None:
    """It does so for an interruption that has passed through code made from a string, as that of a dataclass is."""
    (tmp_path / "sitecustomize.py").write_text(
        "import tfvision.cli\n"
        "def main():\n"
        "    try:\n"
        "        exec('import signal\\nsignal.raise_signal(2)')\n"
        "    except KeyboardInterrupt:\n"
        "        return 130\n"
        "tfvision.cli.main = main\n"
    )
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    assert _end_of([sys.executable, "-m", "tfvision"], {"PYTHONPATH": path}) == (130, "")


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0])
def test_the_first_seconds_of_a_process(after: float, tmp_path: Path) -> None:
    """Imports of our own, of TensorFlow, the first images."""
    words = [sys.executable, "-m", "tfvision", "train", "--config", "digits", "--output", str(tmp_path / "run")]
    status, said = _end_of(words, {"TFVISION_CACHE": str(tmp_path / "cache")}, after)
    if status == 130:
        assert re.fullmatch(r"tfvision: interrupted.* go on with .*\n", said), said
    else:  # Python itself was still starting
        assert status == -signal.SIGINT and "cli" not in said and "interruption" not in said, said


POINTS: dict[str, tuple[str, bool]] = {
    "begun": ("tfvision.experiment.experiment.create_run", True),
    "reading a batch": ("tfvision.data.batches.pipeline.load_images", False),
    "tracing": ("tfvision.training.fit.build_objective", False),
    "a checkpoint": ("tfvision.training.checkpoints.np.savez", True),
    "the model": ("tfvision.experiment.running.save_model", False),
    "the feature pass": ("tfvision.training.features.store.FeatureStore.append", False),
    "the results": ("tfvision.experiment.results.write_predictions", True),
    "the report": ("tfvision.experiment.results.write_advised_report", False),
}


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_an_interruption_anywhere_says_how_to_go_on(
    point: str, two_colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    name, afterwards = POINTS[point]
    real = _resolve(name)
    number = signal.SIGTERM if afterwards else signal.SIGINT

    def interrupted(*args: object, **options: object) -> object:
        if not afterwards:
            signal.raise_signal(number)
        found = real(*args, **options)
        if afterwards:
            signal.raise_signal(number)
        return found

    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(name, interrupted)
    phases = "[{name: a, epochs: 1}, {name: b, epochs: 1, unfreeze: none}]"
    words = ["--backbone", "small_cnn", "--weights", "none", "--small-cnn.filters", "[4,4]", "--phases", phases]
    words += ["--augment.horizontal-flip", "false"]  # so that features are computed once, and stored
    assert main(["train", "--data", str(two_colours), *words, "--output", str(tmp_path / "run ü")]) == 128 + number
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and f"go on with `tfvision train --resume '{tmp_path}/run ü'`" in message
    monkeypatch.setattr(name, real)
    assert main(["train", "--resume", str(tmp_path / "run ü")]) == 0


def _resolve(name: str) -> Callable[..., object]:
    from importlib import import_module

    words = name.split(".")
    for count in range(len(words), 0, -1):
        try:
            found = import_module(".".join(words[:count]))
        except ImportError:
            continue
        for word in words[count:]:
            found = getattr(found, word)
        return found
    raise AssertionError(name)
