"""Faults of the machine: no memory, folders that cannot be written."""

from pathlib import Path

import pytest

from tfvision.cli import main
from tfvision.errors import RunError
from tfvision.evaluation.inference import one_line_errors


@pytest.mark.parametrize(
    ("batch_size", "remedy"), [(64, "--batch-size 32"), (1, "--image-size"), (None, "half the --batch-size")]
)
def test_out_of_memory_says_which_batch_size_to_try(batch_size: int | None, remedy: str) -> None:
    import tensorflow as tf

    for error in (MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\ntensor")):
        with pytest.raises(RunError, match="out of memory") as found, one_line_errors(batch_size=batch_size):
            raise error
        assert remedy in str(found.value) and "\n" not in str(found.value)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_is_one_line(colours: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["--backbone", "small_cnn", "--weights", "none", "--epochs", "1", "--output", "/proc/tfvision/run"]
    assert main(["train", "--data", str(colours), *words]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "cannot make the run folder /proc/tfvision/run" in message
