"""Training on stored features: the same as on images, never stale, gone on with where it was killed."""

from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from conftest import write_tree

from tfvision.data.augmentation.augment import augment_copy, augment_image, image_generator
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.order import Epochs
from tfvision.data.batches.pipeline import training_batches
from tfvision.data.batches.views import Item, Selection, Views
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, UsageError
from tfvision.models.cut import cut_model
from tfvision.models.freezing import unfreeze
from tfvision.models.heads.heads import build_head
from tfvision.system.device import set_seed
from tfvision.training.config import TrainConfig
from tfvision.training.features import trunk as features_module
from tfvision.training.features.trunk import TrunkFeatures, trunk_key
from tfvision.training.fit import fit_phases
from tfvision.training.history import History
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training
from tfvision.training.views import resolve_views

RESIZE = Resize(16, 16)
PLAIN = Augmentation(horizontal_flip=False)
FLIPS = Augmentation(vertical_flip=True)
ENDLESS = Augmentation(rotation=20, brightness=0.2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caches: None) -> None:
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """18 images, scanned; two classes have fewer than the third."""
    found = scan(open_images(write_tree(tmp_path_factory.mktemp("data") / "tree", 8))).images
    return found.select([*range(8), *range(8, 13), *range(16, 21)])


def two_blocks() -> keras.Model:
    """Two blocks and a head with dropout; the first block is frozen."""
    set_seed(0)
    pixels = keras.Input((16, 16, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    for number in (1, 2):
        x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name=f"block_{number}_conv")(x)
    model = keras.Model(pixels, build_head(x, 3, dropout=0.3), name="own")
    unfreeze(model, "block_2")
    return model


def train(images: ImageSet, phases: list[Phase], model: keras.Model | None = None, **options: object) -> tuple:
    model = model or two_blocks()
    settings = {"augmentation": PLAIN, "batch_size": 5, "seed": 1, **options}
    history = History("val_loss")
    half = np.arange(len(images)) % 3 == 0
    training = Training(model, images.select(~half), images.select(half), TrainingSettings(RESIZE, **settings), history)
    fit_phases(training, phases)
    return [(row["loss"], row["val_loss"]) for row in history.rows], model.get_weights()


def assert_close(first: tuple, second: tuple, tolerance: float) -> None:
    np.testing.assert_allclose(first[0], second[0], rtol=tolerance)
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("augmentation", "views", "balance"),
    [
        (PLAIN, "exact", "none"),
        (PLAIN, "exact", "oversample"),  # whose copies are flipped
        (FLIPS, "exact", "class_weights"),
        (ENDLESS, "3", "oversample"),
    ],
    ids=["plain", "copies", "flips", "endless"],
)
def test_training_on_features_is_training_on_images(
    images: ImageSet, augmentation: Augmentation, views: str, balance: str
) -> None:
    """The same pixels in the same order: losses and weights agree within the rounding of what is stored."""
    phases = [Phase(epochs=3, learning_rate=1e-2, unfreeze="block_2", views=views)]
    options = {"augmentation": augmentation, "balance": balance}
    anew = train(images, phases, cache="none", **options)
    assert_close(train(images, phases, cache="float32", **options), anew, 2e-5)
    assert_close(train(images, phases, cache="float16", **options), anew, 5e-3)
    if views == "exact":  # endless augmentation of flips draws the same turns
        assert_close(train(images, [replace(phases[0], views="fresh")], **options), anew, 2e-5)


@pytest.mark.parametrize("augmentation", [PLAIN, FLIPS, Augmentation(quarter_turns=True)])
def test_exact_views_are_what_augmentation_draws(images: ImageSet, augmentation: Augmentation) -> None:
    epochs = Epochs.of(images.labels, batch_size=4, seed=5, oversample=True)
    views = Views(images, epochs, augmentation, RESIZE, seed=5)
    selection, pixels = views.selection, images.read(0)
    for epoch in range(12):
        for place, (index, copy) in enumerate(epochs.entries.tolist()):
            item = selection.items[views.chosen(epoch, np.array([place]))[0]]
            assert item.index == index
            change = augment_copy if copy else augment_image
            want = change(pixels, augmentation, image_generator(5, epoch, images.ids[index], copy))
            assert np.array_equal(selection.show(pixels, item), want)


def test_fixed_views_are_so_many_and_each_is_met(images: ImageSet) -> None:
    epochs = Epochs.of(images.labels, batch_size=4, seed=5)
    views = Views(images, epochs, ENDLESS, RESIZE, seed=5, count=3)
    assert len(views.selection) == 3 * len(images)
    met = {views.chosen(epoch, np.array([0]))[0] for epoch in range(30)}
    assert {views.selection.items[place].view for place in met} == {0, 1, 2}
    # On images the same pixels: all epochs together show three of each.
    batches = training_batches(
        images, resize=RESIZE, batch_size=len(images), seed=5, epochs=12, augmentation=ENDLESS, views=3
    )
    whole = replace(epochs, batch_size=len(images))
    shown = set()
    for step, (pixels, _) in enumerate(batches.dataset):
        shown.add(pixels.numpy()[np.flatnonzero(whole.batch(step)[1] == 0)[0]].tobytes())
    want = [views.selection.show(images.read(0), Item(0, number)).tobytes() for number in range(3)]
    assert shown == set(want)


class Counted:
    """Counts the images that pass a trunk, and may stop after some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images, self.until = 0, 10**9
        real = features_module.run_batches

        def counted(model: keras.Model, batches: object, **work: object):
            for outputs in real(model, batches, **work):
                if self.images + len(outputs[0]) > self.until:
                    raise KeyboardInterrupt
                self.images += len(outputs[0])
                yield outputs

        monkeypatch.setattr(features_module, "run_batches", counted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def compute(images: ImageSet, model: keras.Model | None = None, **changes: object) -> np.ndarray:
    options = {"resize": RESIZE, "batch_size": 4, "dtype": "float32", **changes}
    return (
        TrunkFeatures(cut_model(model or two_blocks()).trunk, **options).of(Selection.plain(images), what="").matrix()
    )


def test_each_image_passes_once_over_phases_runs_and_folds(images: ImageSet, counted: Counted) -> None:
    phases = [Phase(epochs=2, unfreeze="block_2", views="exact"), Phase(epochs=1, unfreeze="block_2", views="exact")]
    train(images, phases)
    assert counted.images == len(images)
    train(images.select(np.arange(len(images))[::-1]), phases, seed=2, batch_size=3)
    assert counted.images == len(images)
    first = compute(images)
    assert counted.images == 2 * len(images)  # another type is another store
    np.testing.assert_allclose(compute(images, dtype="none"), first, rtol=1e-6)


def test_copies_of_an_image_pass_once(images: ImageSet, counted: Counted) -> None:
    twice = images.select([0, 1, 0, 2, 0])
    found = compute(twice)
    assert counted.images == 3 and np.array_equal(found[0], found[2]) and np.array_equal(found[0], found[4])


def test_what_was_interrupted_goes_on_where_it_was(images: ImageSet, counted: Counted) -> None:
    counted.until = 9
    with pytest.raises(KeyboardInterrupt):
        compute(images)
    assert counted.images == 8
    counted.until = 10**9
    found = compute(images)
    assert counted.images == len(images)
    np.testing.assert_allclose(found, compute(images, dtype="none"), rtol=1e-6)


def test_nothing_stale_is_found(images: ImageSet, counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another weight, layer, option, resize, version: another store. Names and later layers do not matter."""
    compute(images)
    seen = counted.images

    def again(model: keras.Model | None = None, **changes: object) -> bool:
        nonlocal seen
        compute(images, model, **changes)
        before, seen = seen, counted.images
        return seen > before

    assert not again() and not again(batch_size=3)
    other = two_blocks()
    other.get_layer("head_probabilities").set_weights(
        [w + 1 for w in other.get_layer("head_probabilities").get_weights()]
    )
    other.get_layer("block_2_conv").set_weights([w + 1 for w in other.get_layer("block_2_conv").get_weights()])
    assert not again(other)
    other.get_layer("block_1_conv").bias.assign(other.get_layer("block_1_conv").bias + 1e-3)
    assert again(other)
    rescaled = two_blocks()
    rescaled.get_layer("preprocess").scale = 1 / 127
    assert again(rescaled)
    assert again(resize=Resize(16, 16, kernel="bicubic"))
    monkeypatch.setattr(features_module.cv2, "__version__", "9")
    assert again()


def test_a_changed_image_is_computed_anew_and_never_under_its_old_name(tmp_path: Path, counted: Counted) -> None:
    data = write_tree(tmp_path / "tree", 3)
    images = scan(open_images(data)).images
    first = compute(images)
    path = data / "red" / "red_000.png"
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    changed = scan(open_images(data)).images
    second = compute(changed)
    assert counted.images == 10
    place = images.ids.index("red/red_000.png")
    assert not np.allclose(first[place], second[place]) and np.array_equal(
        np.delete(first, place, 0), np.delete(second, place, 0)
    )
    # Changed between the scan and the pass: refused, not stored under the hash of what it was.
    cv2.imwrite(str(path), cv2.imread(str(path)) // 2)
    with pytest.raises(DataError, match=r"red/red_000\.png has changed since it was scanned"):
        compute(changed, resize=Resize(16, 16, antialias=False))


def test_names_do_not_make_a_trunk(images: ImageSet) -> None:
    keys = set()
    for _ in range(2):
        pixels = keras.Input((16, 16, 3))
        keras.utils.set_random_seed(0)
        x = keras.layers.Conv2D(4, 3)(pixels)  # conv2d, conv2d_1: names count on
        keys.add(trunk_key(keras.Model(pixels, x + x), RESIZE, "float16"))
        keys.add(trunk_key(keras.Model(pixels, x * x), RESIZE, "float16"))
    assert len(keys) == 2


def test_numbers_beyond_float16_are_stored_as_float32(images: ImageSet, capsys: pytest.CaptureFixture) -> None:
    model = two_blocks()
    layer = model.get_layer("block_1_conv")
    layer.set_weights([weight * 1e6 for weight in layer.get_weights()])
    found = compute(images, model, dtype="float16")
    assert np.isfinite(found).all() and found.max() > 65_504 and found.dtype == np.float32
    assert "stored as float32" in capsys.readouterr().out
    np.testing.assert_allclose(found, compute(images, model, dtype="none"), rtol=1e-6)


def config(augment: Augmentation = PLAIN, **options: object) -> TrainConfig:
    return TrainConfig(augment=augment, **options)


@pytest.mark.parametrize(
    ("augment", "epochs", "unfreeze", "views"),
    [
        (PLAIN, 1, "none", "exact"),
        (PLAIN, 1, "all", "fresh"),  # nothing is frozen
        (FLIPS, 8, "block_2", "exact"),  # two epochs for each of the four pictures
        (FLIPS, 7, "block_2", "fresh"),
        (Augmentation(), 4, "none", "exact"),
        (Augmentation(), 3, "none", "fresh"),
        (ENDLESS, 100, "none", "fresh"),
    ],
)
def test_the_rule_for_views(augment: Augmentation, epochs: int, unfreeze: str, views: str) -> None:
    model = two_blocks()
    was = [layer.trainable for layer in model.layers]
    (phase,) = resolve_views([Phase(epochs=epochs, unfreeze=unfreeze)], model, config(augment))
    assert phase.views == views and [layer.trainable for layer in model.layers] == was
    (asked,) = resolve_views([Phase(epochs=epochs, unfreeze=unfreeze)], model, config(augment, views="5"))
    assert asked.views == "5"
    (own,) = resolve_views([Phase(epochs=epochs, views="fresh")], model, config(augment, views="5"))
    assert own.views == "fresh"


def test_views_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match=r"phases\[0\]\.views: exact needs an augmentation of flips"):
        resolve_views([Phase(views="exact")], two_blocks(), config(ENDLESS))
    with pytest.raises(UsageError, match=r"fixed views need augment\.engine opencv"):
        resolve_views([Phase(views="2")], two_blocks(), config(Augmentation(rand_magnitude=0.3, engine="keras")))
    for wrong in ("0", "-1", "many", "1.5"):
        with pytest.raises(UsageError, match="views: expected fresh, exact or a number"):
            TrainConfig(views=wrong)
        with pytest.raises(UsageError, match="views: expected"):
            Phase(views=wrong)


def test_an_item_is_described_by_all_that_changes_its_pixels(images: ImageSet) -> None:
    one, other = images.select([0]), images.select([1])
    drawn = [
        Selection(one, (Item(0, view, copy),), ENDLESS, seed) for view in (0, 1) for copy in (0, 1) for seed in (0, 1)
    ]
    drawn += [
        Selection(one, (Item(0, 0),), Augmentation(rotation=21, brightness=0.2)),
        Selection.plain(one),
        Selection.plain(other),
    ]
    assert len({selection.keys()[0] for selection in drawn}) == len(drawn)
