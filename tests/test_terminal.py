"""The progress line."""

import re

import pytest

from tfvision.system import terminal


def test_progress_says_what_is_left_of_this_and_of_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(terminal, "_EVERY_SECONDS", -1.0)
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    with terminal.ProgressLine("epoch 1/3", 100) as line:
        now[0] = 20.0
        line.report(50, detail="loss 1", afterwards=120.0)
        line.report(50)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "epoch 1/3  50/100  loss 1  2.5 images/s  20 s left, 2:20 min in all"
    assert re.search(r"20 s left$", second)
