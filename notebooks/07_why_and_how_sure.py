# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why, and how sure?
#
# A model with a perfect test score can still be useless. This notebook builds one on purpose and unmasks it by asking
# *where it looked*. Then it takes an honest model and makes its probabilities mean what they say, chooses a threshold
# for mistakes that cost differently, and asks whether more images would help.
#
# It needs no download and takes about two minutes on two CPU cores.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q tfvision")
    import tfvision

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

os.chdir(tempfile.mkdtemp())  # everything below is written there

# %% [markdown]
# ## A data set with a flaw
#
# The task is to tell handwritten 3s from 8s. Each digit lies somewhere on a noisy background. In the first folder,
# every 8 also has a small white stamp near its top right corner. Such things happen: one class came from another
# scanner, another hospital, another photographer. The second folder has the same digits without the stamp.

# %%
digits = load_digits()


def write(folder, stamped):
    """Write 3s and 8s as files, and return the box of each digit."""
    random, boxes = np.random.default_rng(0), {}
    for number in np.flatnonzero(np.isin(digits.target, (3, 8))):
        image = random.normal(60, 25, (24, 24)).clip(0, 255)
        left, top = random.integers(0, 10), random.integers(4, 13)
        digit = cv2.resize(digits.images[number] * 255 / 16, (12, 12))
        place = slice(top, top + 12), slice(left, left + 12)
        image[place] = np.maximum(image[place], digit)
        label = str(digits.target[number])
        if stamped and label == "8":
            image[1:4, -4:-1] = 255
        Path(folder, label).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"{folder}/{label}/{number:04}.png", image.astype(np.uint8))
        boxes[f"{label}/{number:04}.png"] = left, top, left + 12, top + 12
    return boxes


boxes = write("stamped", stamped=True)
write("plain", stamped=False)
stamped, plain = tfvision.open_images("stamped"), tfvision.open_images("plain")
stamped

# %%
options = {
    "backbone": "small_cnn",
    "weights": "none",
    "small_cnn": {"filters": [16, 32], "kernel_size": 3, "pools": [1, 2]},
    "head": {"pooling": "max"},
    "augment": {"horizontal_flip": False},
    "split": {"validation": 0.3, "test": 0.3},
    "learning_rate": 3e-3,
}
fooled = tfvision.train(data="stamped", **options, epochs=8, output="runs/fooled")

# %% [markdown]
# ## Too good to be true
#
# The test images were kept apart, and the score is still worthless: the test images carry the same stamp. Splitting
# the data cannot protect you from a flaw that is in all of it.

# %%
print(f"test accuracy {fooled.metrics['test']['accuracy']:.3f}")
tfvision.evaluate(fooled, plain)

# %% [markdown]
# Without the stamp, it is hardly better than a coin. But in practice you would not have the second folder. What you
# can do is ask where the model looked.
#
# ## Where did it look?
#
# `tfvision.explain` lays a map over each image: red where the image speaks for the class that the model chose.

# %%
maps = tfvision.explain(fooled, stamped["8"][:6])
maps

# %% [markdown]
# We know where each digit is, so we can count: in how many of the 8s does the highest place of the map lie on the
# digit?


# %%
def on_the_digit(maps):
    """Return the share of images whose map is highest within the box of the digit."""
    hits = 0
    for name, heat in zip(maps.ids, maps.maps, strict=True):
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        left, top, right, bottom = boxes[name]
        hits += left <= x < right and top <= y < bottom
    return hits / len(maps)


print(f"model of the stamped images: {on_the_digit(tfvision.explain(fooled, stamped['8'])):.0%} of the 8s")

# %% [markdown]
# ## An honest model
#
# The same network and options, on the images without the stamp, for more epochs because the task is harder:

# %%
run = tfvision.train(data="plain", **options, epochs=15, output="runs/honest")

# %%
print(f"model of the plain images: {on_the_digit(tfvision.explain(run, plain['8'])):.0%} of the 8s")
tfvision.explain(run, plain["8"][:6])

# %% [markdown]
# A map shows what the answer depends on, not why. It can convict a model, as above; it cannot prove one innocent.
#
# The mistakes that the model was surest of, each with its map:

# %%
run.show_mistakes(6)

# %% [markdown]
# ## Does 90 % mean 90 %?
#
# Of all images to which a model gives 90 %, nine in ten should be right. Few models do that out of the box: some are
# too sure, others too timid. The *calibration error* is the average gap between what a model claims and what comes
# true.
#
# `tfvision.calibrate` finds one number on the validation images, the **temperature**, and divides the model's scores
# by it before they become probabilities. Above 1 makes a model more modest, below 1 bolder. The order of the classes
# stays the same, so no prediction changes; only the probabilities do.

# %%
run = tfvision.calibrate(run)
run

# %% [markdown]
# The table compares each score before and after, on the test images. Log loss and Brier score fall when probabilities
# become more honest; accuracy cannot change.
#
# ## Mistakes that cost differently
#
# By default the more probable class wins, so the threshold is 50 %. That is right if both mistakes are equally bad.
# Say that missing an 8 costs five times as much as a false alarm: then it pays to say "8" at a lower probability.
# `FP` is a false alarm, `FN` a miss.
#
# The threshold is chosen on validation, too, and `threshold` only goes as far as its own cross-validation finds
# worthwhile.

# %%
run = tfvision.threshold(run, "cost=FP:1,FN:5")
run

# %% [markdown]
# Compare precision and recall before and after: a lower threshold buys recall with precision. The interval of each
# difference tells you what these few test images can show, and what they cannot.
#
# From now on the run answers by its threshold, in `predict`, in `evaluate` and after an export.
#
# ## Would more images help?
#
# Labelling is expensive. A *learning curve* trains on growing shares of the training images, always with the same
# test images, and continues the curve. It asks here about all ten digits and a support vector machine, which takes
# seconds to fit.

# %%
curve = tfvision.learning_curve(
    "digits",
    backbone="small_cnn",
    weights="none",
    classifier="svm",
    shares=[0.1, 0.2, 0.4, 1],
    repeats=2,
    split={"validation": 0.1, "test": 0.3},
    output="runs/curve",
)
curve

# %% [markdown]
# The band shows how little a few points tell about what comes after them. It holds for more images *of the same
# kind*; the stamp above is a flaw that more images of the same kind would only have hidden better.
#
# ## Something to try
#
# - Put the stamp on half of the 8s only. How much of the map does it still draw to itself?
# - Stamp half of the images of *both* classes, so that the stamp says nothing. Is the model cured?
# - `tfvision.explain(..., method="occlusion")` hides patches of the image instead of reading gradients. Do both
#   agree?
# - `tfvision.threshold(run, "precision=0.95")` asks for the most recall at a precision of 95 %.
# - `curve.forecast(5000)` asks the curve about 5,000 images.
