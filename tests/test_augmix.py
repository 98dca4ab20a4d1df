"""AugMix: chains and weights by hand, their distributions, and that it is one view of an image as any other."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tfvision.data.augmentation import augmix
from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.augmix import CHAINED, mix_chains
from tfvision.data.augmentation.draws import generator_of
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.augmentation.randaugment import OPERATIONS
from tfvision.data.batches.order import Epochs
from tfvision.data.batches.pipeline import training_batches
from tfvision.data.batches.views import Views
from tfvision.data.images.scan import scan
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images

NOISE = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 2)


def only(**options: object) -> Augmentation:
    return Augmentation(**{"horizontal_flip": False, "augmix": 3.0, **options})


class Told:
    """Stands in for a generator: says the weights, the share, and which operations at which strengths."""

    def __init__(self, weights: list[float], share: float, chains: list[list[tuple[str, float]]]) -> None:
        self.weights, self.share = weights, share
        self.depths = [len(chain) for chain in chains]
        self.steps = [step for chain in chains for step in chain]

    def dirichlet(self, alpha: list[float]) -> np.ndarray:
        assert len(alpha) == len(self.weights)
        return np.array(self.weights)

    def beta(self, a: float, b: float) -> float:
        return self.share

    def integers(self, low: int, high: int | None = None, endpoint: bool = False) -> int:
        if endpoint:
            assert (low, high) == (1, 3)
            return self.depths.pop(0)
        return CHAINED.index(self.steps[0][0])

    def uniform(self, low: float, high: float) -> float:
        assert (low, high) == (-1, 1)
        return self.steps.pop(0)[1]


def test_the_operations_are_the_nine_of_the_paper() -> None:
    assert " ".join(CHAINED) == (
        "autocontrast equalize rotate solarize posterize shear_x shear_y translate_x translate_y"
    )


def test_the_mix_is_the_sum_of_image_and_chains() -> None:
    told = Told([0.25, 0.75], 0.6, [[("rotate", 0.5)], [("solarize", -1.0), ("translate_x", 1.0), ("equalize", 0.0)]])
    found = mix_chains(SMOOTH, only(augmix=4.0, augmix_width=2), told)
    first = OPERATIONS["rotate"](SMOOTH, 0.2, "reflect")
    second = OPERATIONS["translate_x"](OPERATIONS["solarize"](SMOOTH, -0.4, "reflect"), 0.4, "reflect")
    second = OPERATIONS["equalize"](second, 0.0, "reflect")
    expected = 0.4 * SMOOTH + 0.6 * (0.25 * first + 0.75 * second)
    assert np.abs(found - expected).max() <= 0.501


def test_nothing_of_the_chains_is_the_image_itself() -> None:
    told = Told([1.0], 0.0, [[("equalize", 1.0)]])
    np.testing.assert_array_equal(mix_chains(NOISE, only(augmix_width=1), told), NOISE)


def test_severity_0_is_off() -> None:
    off = only(augmix=0.0, augmix_width=7, augmix_depth=4)
    assert off.is_empty and not off.active
    np.testing.assert_array_equal(augment_image(NOISE, off, image_generator(0, 0, "a")), NOISE)
    assert only().active == {"augmix": 3.0, "augmix_width": 3, "augmix_alpha": 1.0} and not only().is_empty


@pytest.mark.parametrize("shape", [(24, 36, 3), (24, 36, 1), (1, 1, 3), (2, 1, 1)])
@pytest.mark.parametrize("depth", [0, 1, 10])
def test_shape_type_and_input_are_kept(shape: tuple[int, ...], depth: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    before = image.copy()
    for number in range(10):
        options = only(augmix=10.0, augmix_depth=depth, augmix_width=1 + number % 4, augmix_alpha=0.01)
        found = augment_image(image, options, image_generator(0, 0, str(number)))
        assert found.shape == shape and found.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


def test_weights_add_up_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """White that is moved and reflected stays white, whatever the weights are."""
    monkeypatch.setattr(augmix, "CHAINED", ("translate_x", "rotate"))
    white = np.full((8, 8, 3), 255, np.uint8)
    for number in range(20):
        options = only(augmix_width=1 + number % 10)
        assert (mix_chains(white, options, np.random.default_rng(number)) == 255).all()


def test_an_image_changes_and_stays_what_it_is() -> None:
    """By some levels in the mean, the more the higher the severity."""
    means = {}
    for severity in (1.0, 3.0, 10.0):
        changed = [augment_image(SMOOTH, only(augmix=severity), image_generator(0, 0, str(i))) for i in range(60)]
        means[severity] = np.mean([np.abs(one.astype(int) - SMOOTH).mean() for one in changed])
        assert len({one.tobytes() for one in changed}) > 50
    assert 1 < means[1.0] < means[3.0] < means[10.0] < 60


def count_operations(monkeypatch: pytest.MonkeyPatch, options: Augmentation, times: int) -> tuple[list, list]:
    """Return how many operations each call did, and the strength of each."""
    strengths: list[float] = []

    def record(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
        strengths.append(strength)
        return image

    monkeypatch.setattr(augmix, "OPERATIONS", dict.fromkeys(OPERATIONS, record))
    generator, counts = np.random.default_rng(0), []
    for _ in range(times):
        before = len(strengths)
        mix_chains(NOISE[:1, :1], options, generator)
        counts.append(len(strengths) - before)
    return counts, strengths


def test_depth_0_draws_one_to_three_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, strengths = count_operations(monkeypatch, only(augmix=4.0, augmix_width=1), 900)
    assert set(counts) == {1, 2, 3} and np.bincount(counts)[1:] == pytest.approx(300, abs=70)
    assert max(np.abs(strengths)) <= 0.4 and min(strengths) < -0.38 and max(strengths) > 0.38
    assert np.mean(np.abs(strengths)) == pytest.approx(0.2, abs=0.02)


def test_a_given_depth_is_that_of_every_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(count_operations(monkeypatch, only(augmix_width=3, augmix_depth=4), 20)[0]) == {12}


@pytest.mark.parametrize("alpha", [0.5, 1.0, 8.0])
def test_shares_are_drawn_from_their_distributions(monkeypatch: pytest.MonkeyPatch, alpha: float) -> None:
    """Chains of white on a black image show the share of all chains: Beta(alpha, alpha)."""
    white = dict.fromkeys(OPERATIONS, lambda image, strength, fill: np.full_like(image, 255))
    monkeypatch.setattr(augmix, "OPERATIONS", white)
    black, generator = np.zeros((1, 1, 1), np.uint8), np.random.default_rng(0)
    options = only(augmix_alpha=alpha, augmix_width=2)
    shares = np.array([mix_chains(black, options, generator).item() for _ in range(3000)]) / 255
    assert shares.mean() == pytest.approx(0.5, abs=0.025)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_draws_are_keyed_by_seed_epoch_image_and_copy() -> None:
    keys = [(0, 0, "a", 0), (1, 0, "a", 0), (0, 1, "a", 0), (0, 0, "b", 0), (0, 0, "a", 1)]
    found = [augment_image(SMOOTH, only(), image_generator(*key)).tobytes() for key in keys]
    assert found == [augment_image(SMOOTH, only(), image_generator(*key)).tobytes() for key in keys]
    assert len(set(found)) == len(keys)


def test_augmix_comes_after_the_turns_and_leaves_their_draws_alone() -> None:
    for number in range(8):
        turned = augment_image(SMOOTH, Augmentation(vertical_flip=True), image_generator(0, 0, str(number)))
        both = augment_image(SMOOTH, Augmentation(vertical_flip=True, augmix=3.0), image_generator(0, 0, str(number)))
        draw = image_generator(0, 0, str(number)).random(10)[9]
        np.testing.assert_array_equal(both, mix_chains(turned, only(), generator_of(draw)))


def test_stored_views_are_the_pixels_that_training_shows(colours: Path) -> None:
    """With `views: 2` an image is seen in two ways, in training as in what features are computed of."""
    images, resize = scan(open_images(colours)).images.select(range(12)), Resize(16, 16)
    options = only(horizontal_flip=True)
    epochs = Epochs.of(images.labels, batch_size=12, seed=3)
    views = Views(images, epochs, options, resize, seed=3, count=2)
    batches = training_batches(
        images, resize=resize, batch_size=12, seed=3, epochs=4, augmentation=options, views=2
    ).dataset
    seen = set()
    for step, (pixels, _) in enumerate(batches):
        epoch, entries = epochs.batch(step)
        for place, found in zip(views.chosen(epoch, entries), pixels.numpy(), strict=True):
            item = views.selection.items[place]
            np.testing.assert_array_equal(found, views.selection.show(images.read(item.index), item))
            seen.add(found.tobytes())
    assert 12 < len(seen) <= 24
