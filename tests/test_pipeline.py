"""Resize and batches: one resize everywhere, and batches that depend on their number only."""

import os
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.pixels.resize import KERNELS, MODES, Resize, resize_images
from tfvision.data.sources.open import open_images
from tfvision.data.splits.split import split_images
from tfvision.errors import DataError, UsageError
from tfvision.experiment.plan import engine_note

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf

from tfvision.data.batches import pipeline
from tfvision.data.batches.pipeline import data_error, evaluation_batches, load_image, training_batches
from tfvision.experiment import pictures

NOISE = np.random.default_rng(0).integers(0, 256, (3, 37, 53, 3), dtype=np.uint8)
SOME = Augmentation(horizontal_flip=True, rotation=10.0, brightness=0.1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """22 images of three classes (13, 6, 3) in mixed sizes."""
    folder = tmp_path_factory.mktemp("tree")
    generator = np.random.default_rng(1)
    for label, count in (("a", 13), ("b", 6), ("c", 3)):
        (folder / label).mkdir()
        for i in range(count):
            pixels = generator.integers(0, 256, (16, 16 if i % 3 else 24, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / label / f"{i}.png"), pixels)
    return open_images(folder)


def collect(dataset) -> list[tuple[np.ndarray, ...]]:
    return [tuple(part.numpy() for part in batch) for batch in dataset]


def same(first, second) -> bool:
    return len(first) == len(second) and all(
        all(np.array_equal(a, b) for a, b in zip(x, y, strict=True)) for x, y in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("size", [(20, 20), (64, 30), (37, 80), (37, 53)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_one_resize(kernel, mode, size):
    """The same bits eagerly, in a graph with unknown sides, for one image and for a batch."""
    resize = Resize(*size, kernel=kernel, mode=mode)
    graph = tf.function(
        lambda batch: resize_images(batch, resize), input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)]
    )
    eager = resize_images(NOISE, resize).numpy()
    assert eager.shape == (3, *size, 3) and eager.dtype == np.uint8
    np.testing.assert_array_equal(graph(NOISE), eager)
    np.testing.assert_array_equal(resize_images(NOISE[1], resize), eager[1])
    if size == (37, 53):
        np.testing.assert_array_equal(eager, NOISE)


def test_resize_rounds_half_to_even_and_clips():
    pair = np.array([[[[0], [1]]], [[[2], [3]]]], np.uint8)
    halves = resize_images(pair, Resize(1, 1, kernel="area", channels=1)).numpy().ravel()
    assert halves.tolist() == [0, 2]
    step = np.repeat(np.array([0, 0, 255, 255], np.uint8), 4).reshape(1, 16, 1).repeat(16, 0)
    overshoot = resize_images(step, Resize(16, 40, kernel="lanczos3", channels=1)).numpy()
    assert overshoot.min() == 0 and overshoot.max() == 255 and (overshoot[:, :10] < 100).all()


def test_crop_and_pad_by_hand():
    image = np.arange(8, dtype=np.uint8).reshape(2, 4, 1)
    assert resize_images(image, Resize(2, 2, mode="crop", channels=1)).numpy().ravel().tolist() == [1, 2, 5, 6]
    padded = resize_images(image, Resize(4, 4, mode="pad", channels=1)).numpy()[..., 0]
    np.testing.assert_array_equal(padded, np.pad(image[..., 0], ((1, 1), (0, 0))))
    line = np.full((1, 400, 1), 9, np.uint8)
    assert resize_images(line, Resize(8, 8, mode="pad", channels=1)).numpy().sum() == 72
    assert resize_images(line, Resize(8, 2, mode="crop", channels=1)).numpy().min() == 9


@pytest.mark.parametrize("size", [(37, 53), (20, 64)])
@pytest.mark.parametrize("channels", [None, 3])
def test_gray_of_colours_is_that_of_opencv(size, channels):
    """Also where the number of channels is not known before the image comes, and where the size is right already."""
    expected = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in NOISE])[..., None]
    resize = Resize(*size, channels=1)
    signature = [tf.TensorSpec((None, None, None, channels), tf.uint8)]
    graph = tf.function(lambda batch: resize_images(batch, resize), input_signature=signature)
    gray = resize_images(expected, resize).numpy()
    assert gray.shape == (3, *size, 1) and gray.dtype == np.uint8
    np.testing.assert_array_equal(resize_images(NOISE, resize), gray)
    np.testing.assert_array_equal(graph(NOISE), gray)
    np.testing.assert_array_equal(resize_images(NOISE[1], resize), gray[1])


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_survives_channels(channels):
    """1 -> 3 repeats, and equal channels become what they were, whether or not the channels are known."""
    gray = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    resize = Resize(16, 16, channels=channels)
    unknown = tf.TensorSpec((None, None, None, None), tf.uint8)
    graph = tf.function(lambda batch: resize_images(batch, resize), input_signature=[unknown])
    for images in (gray, gray.repeat(3, -1)):
        np.testing.assert_array_equal(resize_images(images, resize), gray.repeat(channels, -1))
        np.testing.assert_array_equal(graph(images), gray.repeat(channels, -1))
    with pytest.raises(UsageError, match="images of 4 channels; expected 1 or 3"):
        resize_images(gray.repeat(4, -1), resize)


def test_batches_of_one_channel(images):
    options = dict(resize=Resize(16, 16, channels=1), batch_size=4, seed=3, epochs=1, augmentation=SOME)
    pixels, _ = collect(training_batches(images, **options).dataset)[0]
    assert pixels.shape == (4, 16, 16, 1)
    expected = resize_images(images.read(5), Resize(16, 16, channels=1))
    np.testing.assert_array_equal(load_image(images, 5, Resize(16, 16, channels=1)), expected)


def test_resize_round_trip_and_refusals():
    resize = Resize(3, 4, kernel="area", antialias=False, mode="pad", channels=1)
    assert Resize.from_dict(resize.to_dict()) == resize
    for options, message in [
        ({"height": 0, "width": 1}, "height 0"),
        ({"height": 1, "width": 1.5}, "width 1.5"),
        ({"height": 1, "width": 1, "kernel": "bilinaer"}, "did you mean bilinear"),
        ({"height": 1, "width": 1, "mode": "strech"}, "did you mean stretch"),
        ({"height": 1, "width": 1, "kernal": "area"}, "did you mean kernel"),
        ({"height": 1}, "without width"),
        ({"height": 1, "width": 1, "channels": 2}, "channels 2; expected 1 or 3"),
        ({"height": 1, "width": 1, "channels": True}, "channels True"),
    ]:
        with pytest.raises(UsageError, match=message):
            Resize.from_dict(options)


def test_evaluation_batches(images):
    resize = Resize(16, 16)
    dataset = evaluation_batches(images, resize=resize, batch_size=8)
    assert dataset.element_spec[0].shape == (None, 16, 16, 3) and int(dataset.cardinality()) == 3
    batches = collect(dataset)
    assert [len(pixels) for pixels, _ in batches] == [8, 8, 6]
    labels = np.concatenate([label for _, label in batches])
    assert labels.dtype == np.float32 and labels.argmax(1).tolist() == images.labels.tolist()
    pixels = np.concatenate([batch for batch, _ in batches])
    for i in range(len(images)):
        expected = resize_images(images.read(i), resize).numpy()
        np.testing.assert_array_equal(pixels[i], expected)
        np.testing.assert_array_equal(load_image(images, i, resize), expected)
    alone = evaluation_batches(images, resize=resize, batch_size=8, labelled=False)
    np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch in alone]), pixels)


def test_two_classes_have_one_column(images):
    two = images.select(images.labels < 2)
    two = type(two)(two.ids, two.names, two.labels, two.class_names[:2], two.storage)
    _, labels = collect(evaluation_batches(two, resize=Resize(8, 8), batch_size=50))[0]
    assert labels.shape == (19, 1) and labels[:, 0].tolist() == two.labels.tolist()


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_any_number_of_workers_gives_the_same_pixels(images, workers, monkeypatch):
    options = dict(resize=Resize(16, 16), batch_size=4, seed=3, epochs=2, augmentation=SOME, oversample=True)
    expected = collect(training_batches(images, **options).dataset)
    monkeypatch.setattr(pipeline.os, "cpu_count", lambda: workers)
    assert same(collect(training_batches(images, **options).dataset), expected)


def test_rand_augment_by_keras_is_repeatable(images, monkeypatch):
    layer = Augmentation(rand_magnitude=0.5, engine="keras", horizontal_flip=False)
    options = dict(resize=Resize(16, 16), batch_size=8, seed=3, augmentation=layer)
    whole = collect(training_batches(images, epochs=2, **options).dataset)
    monkeypatch.setattr(pipeline.os, "cpu_count", lambda: 7)
    assert same(collect(training_batches(images, epochs=2, first_epoch=1, **options).dataset), whole[3:])
    plain = collect(training_batches(images, epochs=2, **{**options, "augmentation": None}).dataset)
    for (pixels, labels), (before, expected) in zip(whole, plain, strict=True):
        assert pixels.dtype == np.uint8 and pixels.shape == before.shape
        np.testing.assert_array_equal(labels, expected)
        assert np.mean([(one != other).any() for one, other in zip(pixels, before, strict=True)]) > 0.5


@pytest.mark.slow
def test_rand_augment_by_keras_cv(images):
    layer = Augmentation(rand_magnitude=0.5, rand_operations=3, engine="keras_cv", horizontal_flip=False)
    options = dict(resize=Resize(16, 16), batch_size=22, seed=3, epochs=1)
    ((pixels, labels),) = collect(training_batches(images, augmentation=layer, **options).dataset)
    ((before, expected),) = collect(training_batches(images, **options).dataset)
    assert pixels.dtype == np.uint8 and pixels.shape == before.shape and labels.tolist() == expected.tolist()
    assert np.mean([(one != other).any() for one, other in zip(pixels, before, strict=True)]) > 0.5


@pytest.mark.parametrize("engine", ["opencv", "keras"])
def test_samples_are_drawn_with_the_engine(images, engine, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        pictures, "plot_image_grid", lambda pixels, captions, *_, **__: drawn.append((pixels, captions))
    )
    augmentation = Augmentation(rand_magnitude=0.5, engine=engine, horizontal_flip=False)
    settings = SimpleNamespace(augmentation=augmentation, seed=0, resize=Resize(16, 16), task="classify")
    pictures.plot_samples(tmp_path, images, settings)
    _, (pixels, captions) = drawn
    assert captions[:2] == ["a, as it is", "in epoch 1"] and len(captions) == len(pixels) == 18
    for start in range(0, 18, 6):
        assert sum((image != pixels[start]).any() for image in pixels[start + 1 : start + 6]) >= 3


def test_engines_say_what_they_lack(images, monkeypatch):
    rand = {engine: Augmentation(rand_magnitude=0.5, engine=engine) for engine in ("opencv", "keras_cv", "keras")}
    assert engine_note(rand["opencv"]) is None and engine_note(Augmentation(engine="keras_cv")) is None
    assert "cannot be repeated" in engine_note(rand["keras_cv"]) and "slow" in engine_note(rand["keras"])
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(UsageError, match=r"pip install 'keras-cv>=0\.9'"):
        training_batches(images, resize=Resize(8, 8), batch_size=4, seed=0, epochs=1, augmentation=rand["keras_cv"])


def test_epochs_hold_every_image_once_in_a_new_order(images):
    batches = training_batches(images, resize=Resize(16, 16), batch_size=5, seed=3, epochs=2)
    assert batches.steps_per_epoch == 5 and batches.size == 22
    found = collect(batches.dataset)
    assert [len(pixels) for pixels, _ in found] == [5, 5, 5, 5, 2] * 2
    epochs = [[p.tobytes() for pixels, _ in found[i : i + 5] for p in pixels] for i in (0, 5)]
    assert sorted(epochs[0]) == sorted(epochs[1]) and epochs[0] != epochs[1]
    labels = {load_image(images, i, Resize(16, 16)).tobytes(): images.labels[i] for i in range(22)}
    assert all(
        labels[p.tobytes()] == k for pixels, one_hot in found for p, k in zip(pixels, one_hot.argmax(1), strict=True)
    )


def test_training_goes_on_anywhere(images):
    options = dict(resize=Resize(16, 16), batch_size=5, seed=3, augmentation=SOME)
    whole = collect(training_batches(images, epochs=3, **options).dataset)
    assert same(collect(training_batches(images, epochs=3, first_epoch=1, **options).dataset), whole[5:])
    assert not same(whole[:5], whole[5:10])
    assert not same(collect(training_batches(images, epochs=1, **{**options, "seed": 4}).dataset), whole[:5])


def test_oversampling_in_batches(images):
    batches = training_batches(images, resize=Resize(16, 16), batch_size=39, seed=3, epochs=1, oversample=True)
    (pixels, labels), *_ = collect(batches.dataset)
    assert batches.size == 39 and labels.sum(axis=0).tolist() == [13, 13, 13]
    originals = {load_image(images, i, Resize(16, 16)).tobytes() for i in range(22)}
    assert sum(image.tobytes() in originals for image in pixels) == 22


def test_split_augment_and_oversample_touch_training_only(images):
    parts = split_images(images, images.ids, seed=0).parts
    train, test = images.select(parts == "train"), images.select(parts == "test")
    resize = Resize(16, 16)
    seen = training_batches(train, resize=resize, batch_size=8, seed=0, epochs=2, oversample=True).dataset
    seen = {image.tobytes() for pixels, _ in collect(seen) for image in pixels}
    held = [load_image(test, i, resize) for i in range(len(test))]
    flips = [way for image in held for way in (image, image[::-1], image[:, ::-1], image[::-1, ::-1])]
    assert held and not any(np.ascontiguousarray(way).tobytes() in seen for way in flips)


def test_large_images_are_resized_as_they_come(images, monkeypatch):
    expected = pipeline.load_images(images, np.arange(22), Resize(10, 12))
    monkeypatch.setattr(pipeline, "_PENDING_BYTES", 2000)
    np.testing.assert_array_equal(pipeline.load_images(images, np.arange(22), Resize(10, 12)), expected)


def test_failing_image_is_named(images, tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"no image")
    with pytest.raises(tf.errors.OpError) as caught:
        collect(evaluation_batches(open_images(tmp_path), resize=Resize(8, 8), batch_size=2))
    error = data_error(caught.value)
    assert (
        isinstance(error, DataError) and "a/1.png: it is damaged or no image" in str(error) and "\n" not in str(error)
    )
    assert data_error(ValueError("other")) is None


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_size": 0}, UsageError, "batch size 0"),
        ({"epochs": 0}, UsageError, "at least one"),
    ],
)
def test_refused(images, change, error, message):
    with pytest.raises(error, match=message):
        training_batches(images, **{"resize": Resize(8, 8), "batch_size": 4, "seed": 0, "epochs": 1, **change})


def test_unlabelled_and_empty_are_refused(images):
    unlabelled = open_images(images.storage.path, labelled=False)
    with pytest.raises(DataError, match="has no label"):
        evaluation_batches(unlabelled, resize=Resize(8, 8), batch_size=4)
    with pytest.raises(DataError, match="no images"):
        evaluation_batches(images.select([]), resize=Resize(8, 8), batch_size=4)
