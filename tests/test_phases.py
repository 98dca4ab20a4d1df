"""Phases: defaults, the short options, and schedules against closed forms."""

import math

import numpy as np
import pytest

from tfvision.config.options import from_dict
from tfvision.data.augmentation.options import Augmentation
from tfvision.errors import UsageError
from tfvision.experiment.resolving import with_phases
from tfvision.search.plan import parse_search
from tfvision.training.config import TrainConfig
from tfvision.training.optimizers import build_optimizer, learning_rate
from tfvision.training.options import Phase
from tfvision.training.phases import describe_augmentation, resolve_phases, with_rates


def resolve(pretrained: bool = True, linear_head: bool = True, **options: object) -> list[Phase]:
    return resolve_phases(TrainConfig(**options), pretrained=pretrained, linear_head=linear_head)


def test_a_pretrained_backbone_is_trained_head_first() -> None:
    head, rest = resolve()
    assert (head.solver, head.unfreeze) == ("logistic_regression", "none")
    assert (rest.unfreeze, rest.schedule) == ("all", "cosine")
    head, again = resolve(linear_head=False)
    assert (head.solver, head.unfreeze, again) == ("gradient", "none", rest)
    (rate,) = {phase.learning_rate for phase in with_rates([rest], parameters=2_000_000, batch_size=64)}
    assert rest.learning_rate is None and rate < head.learning_rate


def test_the_rate_suits_the_backbone_and_the_batches_unless_it_is_given() -> None:
    open_one, given = Phase(learning_rate=None), Phase(learning_rate=0.1)

    def rates(parameters: int, batch_size: int) -> list[float | None]:
        return [
            one.learning_rate for one in with_rates([open_one, given], parameters=parameters, batch_size=batch_size)
        ]

    assert rates(2_257_984, 64) == [5e-4, 0.1] and rates(2_257_984, 16) == [1.25e-4, 0.1]
    assert rates(87_566_464, 64) == rates(0, 16) == [1e-4, 0.1]  # ConvNeXtBase, and one nobody knows


def test_from_scratch_everything_is_open_at_once() -> None:
    (phase,) = resolve(pretrained=False)
    assert phase.unfreeze == "all"


def test_presets_are_choices_of_phases() -> None:
    (head,) = resolve(preset="fast")
    assert [head] == resolve()[:1] and resolve(preset="balanced") == resolve()
    best = resolve(preset="best")
    assert best[0] == head and best[1].epochs > resolve()[1].epochs
    (short,), (long,) = resolve(preset="fast", pretrained=False), resolve(preset="best", pretrained=False)
    assert short.epochs < resolve(pretrained=False)[0].epochs < long.epochs
    assert resolve(preset="best", epochs=3, unfreeze="15")[1].epochs == 3
    assert resolve(preset="fast", unfreeze="none") == [head]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "best", "phases": [Phase()]}, "preset best is a choice of phases"),
        ({"preset": "fast", "epochs": 3}, "preset fast .* so epochs has no use"),
        ({"preset": "fast", "unfreeze": "all"}, "so unfreeze has no use"),
    ],
)
def test_what_does_not_go_with_a_preset(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(**options)


def test_epochs_are_those_of_the_last_phase_and_the_head_comes_first() -> None:
    head, rest = resolve(epochs=7)
    assert head == resolve()[0] and (rest.epochs, rest.patience, rest.unfreeze) == (7, None, "all")
    head, rest = resolve(epochs=7, unfreeze="15", learning_rate=0.5)
    assert head.unfreeze == "none" and (rest.epochs, rest.unfreeze, rest.learning_rate) == (7, "15", 0.5)
    head, rest = resolve(epochs=7, linear_head=False)
    assert (head.solver, head.unfreeze, head.epochs, rest.epochs) == ("gradient", "none", 3, 7)
    (phase,) = resolve(epochs=7, pretrained=False)  # no features to spoil
    assert (phase.epochs, phase.patience, phase.unfreeze) == (7, None, "all")
    first, last = resolve(epochs=7, phases=[Phase(epochs=2), Phase(learning_rate=0.5, patience=3, unfreeze="15")])
    assert (first.epochs, last.epochs, last.patience, last.learning_rate, last.unfreeze) == (2, 7, None, 0.5, "15")


def test_one_epoch_works_with_any_recipe() -> None:
    (phase,) = resolve(epochs=1, phases=[Phase(epochs=9, schedule="cosine", warmup=2.0)])
    assert (phase.epochs, phase.warmup) == (1, 0.25)
    (phase,) = resolve(epochs=1, phases=[Phase(solver="logistic_regression", unfreeze="none")])
    assert (phase.solver, phase.unfreeze) == ("gradient", "none")


def test_learning_rate_and_unfreeze_change_the_last_phase() -> None:
    phases = resolve(learning_rate=0.25, unfreeze="15")
    assert phases[0] == resolve()[0]
    assert (phases[1].learning_rate, phases[1].unfreeze) == (0.25, "15")


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"patience": 0},
        {"warmup": 1.0},
        {"factor": 1.5, "schedule": "step"},
        {"solver": "logistic_regression", "unfreeze": "all"},
    ],
)
def test_values_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(UsageError, match=r"phases\[0\]\."):
        config = from_dict(TrainConfig, {"phases": [options]})
        resolve_phases(config, pretrained=True, linear_head=True)


@pytest.mark.parametrize(
    ("phase", "message"),
    [({"patience": 3}, "none is waited for"), ({"schedule": "plateau"}, "monitor epoch is none")],
)
def test_monitor_epoch_goes_by_no_score(phase: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(monitor="epoch", phases=[Phase(**phase)])
    assert all(phase.patience is None for phase in resolve(pretrained=False, monitor="epoch"))
    with pytest.raises(UsageError, match="no epochs"):
        with_phases(TrainConfig(classifier="logistic_regression", monitor="epoch"))
    with pytest.raises(UsageError, match="no score to search for"):
        parse_search({"data": "x", "weights": "none", "monitor": "epoch", "epochs": {"choice": [1, 2]}})


def test_logistic_regression_needs_a_linear_head() -> None:
    with pytest.raises(UsageError, match="hidden layers"):
        resolve(linear_head=False, phases=[Phase(solver="logistic_regression", unfreeze="none")])


def rates(phase: Phase, steps_per_epoch: int = 10) -> np.ndarray:
    schedule = learning_rate(phase, steps_per_epoch)
    steps = range(phase.epochs * steps_per_epoch)
    return np.array([float(schedule(step)) if callable(schedule) else schedule for step in steps])


def test_constant_schedule() -> None:
    assert np.all(rates(Phase(epochs=2, learning_rate=0.5)) == 0.5)


def test_cosine_schedule_is_half_way_down_in_the_middle() -> None:
    found = rates(Phase(epochs=4, learning_rate=0.8, schedule="cosine"))
    assert found[0] == pytest.approx(0.8)
    assert found[20] == pytest.approx(0.4)
    assert found[39] == pytest.approx(0.4 * (1 + math.cos(math.pi * 39 / 40)), rel=1e-4)


def test_cosine_schedule_warms_up_linearly() -> None:
    found = rates(Phase(epochs=4, learning_rate=0.8, schedule="cosine", warmup=1.0))
    np.testing.assert_allclose(found[:10], np.arange(10) * 0.08, atol=1e-7)
    assert found[10] == pytest.approx(0.8)
    assert found[25] == pytest.approx(0.4)


def test_a_warm_up_of_all_steps_reaches_the_rate() -> None:
    """A warm-up of 0.9 of 1 epoch of 3 steps rounds to all of them."""
    schedule = learning_rate(Phase(epochs=1, learning_rate=0.9, schedule="cosine", warmup=0.9), steps_per_epoch=3)
    np.testing.assert_allclose([float(schedule(step)) for step in range(4)], [0, 0.3, 0.6, 0.9], rtol=1e-6)


def test_step_schedule_holds_three_epochs_then_falls_by_the_factor() -> None:
    found = rates(Phase(epochs=6, learning_rate=1.0, schedule="step", hold=3, factor=0.4)).reshape(6, 10)
    np.testing.assert_allclose(found, np.repeat([[1, 1, 1, 0.4, 0.16, 0.064]], 10, axis=0).T, rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw", "lion", "sgd"])
def test_optimizers_take_weight_decay_as_given(name: str) -> None:
    assert build_optimizer(name, Phase(), steps_per_epoch=5).weight_decay in (None, 0.0)
    assert build_optimizer(name, Phase(), steps_per_epoch=5, weight_decay=0.01).weight_decay == 0.01


def test_step_drops_every_k_epochs_after_the_hold() -> None:
    phase = Phase(epochs=8, learning_rate=1.0, schedule="step", hold=2, every=3, factor=0.5)
    schedule = learning_rate(phase, steps_per_epoch=10)
    assert [float(schedule(epoch * 10)) for epoch in range(8)] == [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_exponential_multiplies_over_each_epoch() -> None:
    schedule = learning_rate(Phase(epochs=3, learning_rate=0.1, schedule="exponential", factor=0.5), steps_per_epoch=4)
    assert float(schedule(8)) == pytest.approx(0.025)
    assert float(schedule(2)) == pytest.approx(0.1 * math.sqrt(0.5))


def test_plateau_is_a_number_that_the_recorder_lowers() -> None:
    assert learning_rate(Phase(learning_rate=0.1, schedule="plateau"), steps_per_epoch=4) == 0.1


def test_a_phase_of_the_solver_changes_no_image() -> None:
    flips, none = Augmentation(horizontal_flip=True), Augmentation(horizontal_flip=False)
    solver, gradient = (
        Phase(name="head", solver="logistic_regression", unfreeze="none"),
        Phase(name="fine-tune", epochs=1),
    )
    assert describe_augmentation(flips, [solver]) == "none"
    assert describe_augmentation(flips, [solver, gradient]) == "horizontal flip, in fine-tune only"
    assert describe_augmentation(flips, [gradient]) == describe_augmentation(flips, []) == "horizontal flip"
    assert describe_augmentation(none, [solver, gradient]) == "none"
