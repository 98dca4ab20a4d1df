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
# # One box in each image
#
# A classifier says *what* is in an image. A localizer says *where*: it answers with one box. This notebook draws
# images whose boxes are known exactly, trains a localizer, and looks at how good its boxes are and where they fail.
#
# It needs no download and takes one or two minutes on two CPU cores.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q tfvision")
    import tfvision

import csv
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

os.chdir(tempfile.mkdtemp())  # everything below is written there

# %% [markdown]
# ## Images with a known box
#
# Each image is a piece of a photo with one shape drawn on it: a disc, a square or a triangle, of any colour, at any
# place. Since we draw the shape ourselves, we know its box to the pixel.
#
# tfvision reads boxes from a CSV file beside the images. A box is `xmin, ymin, xmax, ymax` in pixels, counted from
# the top left corner. Annotations of PASCAL VOC, COCO and YOLO are read as well.

# %%
temple, flower = load_sample_images().images
KINDS = ("disc", "square", "triangle")


def draw(photo, kind, random):
    """Cut a piece of 64 to 96 pixels out of a photo and draw a shape on it; return the image and the box."""
    height, width = random.integers(64, 97, 2)
    top, left = random.integers(0, photo.shape[0] - height), random.integers(0, photo.shape[1] - width)
    image = photo[top : top + height, left : left + width].copy()
    side = int(random.integers(22, 45))
    x, y = int(random.integers(0, width - side)), int(random.integers(0, height - side))
    colour = random.integers(0, 256, 3).tolist()
    if kind == "disc":
        cv2.circle(image, (x + side // 2, y + side // 2), side // 2, colour, -1)
    elif kind == "square":
        cv2.rectangle(image, (x, y), (x + side, y + side), colour, -1)
    else:
        cv2.fillPoly(image, [np.array([(x, y + side), (x + side, y + side), (x + side // 2, y)])], colour)
    return image, (x, y, x + side, y + side)


def write(folder, photo, count, seed):
    """Write images, and boxes.csv beside them."""
    random, rows = np.random.default_rng(seed), []
    Path(folder).mkdir()
    for number in range(count):
        name, kind = f"{number:03}.png", KINDS[number % 3]
        image, box = draw(photo, kind, random)
        cv2.imwrite(f"{folder}/{name}", image[..., ::-1])
        rows.append((name, kind, *box))
    with open(f"{folder}/boxes.csv", "w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "xmin", "ymin", "xmax", "ymax"), *rows])


write("on_temple", temple, 400, seed=0)
write("on_flower", flower, 100, seed=1)
images = tfvision.open_images("on_temple", boxes=True)
images

# %% [markdown]
# ## How close is close? The IoU
#
# A predicted box is rarely right to the pixel, so "right" and "wrong" say too little. The usual measure is the
# *intersection over union*, or IoU: the area that both boxes share, divided by the area that they cover together. It
# is 1 for the same box and 0 for boxes that do not touch. It is stricter than it looks, as you can see when a box
# slides off its place:


# %%
def iou(a, b):
    shared = np.prod(np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


box = np.array([0, 0, 40, 40])
for share in (0, 0.125, 0.25, 0.5):
    moved = box + [40 * share, 0, 40 * share, 0]
    print(f"moved by {share:5.1%} of its width: IoU {iou(box, moved):.2f}")

# %% [markdown]
# ## Train
#
# `task="localize"` makes it a localizer; all else is as for classes. Moving and zooming the training images shows the
# model more places and sizes than we drew, and the boxes move with them.
#
# The network is small and starts from random weights, since this has to be quick. With photos of your own, leave out
# the options from `backbone` to `image_size`, and training starts from a network that knows ImageNet.

# %%
run = tfvision.train(
    data="on_temple",
    task="localize",
    backbone="small_cnn",
    weights="none",
    small_cnn={"filters": [16, 32], "kernel_size": 5, "pools": [2, 2]},
    box={"filters": 32},
    image_size=48,
    augment={"shift": 0.1, "zoom": 0.1},
    split={"validation": 0.15, "test": 0.2},
    epochs=16,
    learning_rate=4e-3,
    batch_size=16,
    output="runs/boxes",
)

# %% [markdown]
# ## Read the score
#
# The large number is the mean IoU on the test images, which took no part in training. The range beside it is a *95 %
# interval*: with other test images of the same kind, the score would mostly lie within it.
#
# Look also at the line about answers that do not look at the image at all, such as the mean box of all training
# images. A localizer has only learned something if it is clearly better than those.

# %%
run

# %% [markdown]
# ## Ask it
#
# `run.predict` takes files, folders or images that are open, and draws the predicted box into each. First come the
# three test images with the highest IoU, then the three with the lowest.

# %%
found = run.predictions.part("test")
order = np.argsort(-found.ious)
chosen = [*order[:3], *order[-3:]]
for row in chosen:
    print(f"{found.ids[row]}: IoU {found.ious[row]:.2f}")
run.predict(images[[images.ids.index(found.ids[row]) for row in chosen]])

# %% [markdown]
# The run keeps a picture of its worst boxes, with the true box beside the predicted one. Ask of each what made it
# hard: a colour like the background, the border of the image, or something in the photo that looks like a shape?

# %%
run.show_mistakes()

# %% [markdown]
# ## Another place
#
# Training and test images all came from one photo, of a temple. How good are the boxes on pieces of another photo?
# The shapes are drawn by the same function; only the background is new.

# %%
elsewhere = tfvision.evaluate(run, "on_flower")
elsewhere

# %%
home, away = run.metrics["test"]["mean_iou"], elsewhere.scores["mean_iou"]
print(f"mean IoU {home:.2f} on the temple, {away:.2f} on the flower")

# %% [markdown]
# A test score speaks for images like the test images, and for no others. If your camera, site or season will change,
# put images of the new kind into the test before you rely on the score.
#
# ## Use the boxes
#
# `tfvision.predict` returns the boxes as numbers, and writes them to a CSV file or draws them into copies of the
# images.

# %%
boxes = tfvision.predict(run, "on_flower", output="boxes.csv", draw="drawn")
print(Path("boxes.csv").read_text().splitlines()[:3])
print(len(list(Path("drawn").iterdir())), "images in the folder drawn")

# %% [markdown]
# ## Something to try
#
# - Let `write` take every second piece from the other photo, train on such a folder, and score both places again.
# - `task="localize+classify"` learns the box and the kind of shape in one model. Does the box get better or worse?
# - `box={"head": "pooled"}` reads the box from one average over the whole image. Guess what that does to the IoU,
#   then try it.
# - Make the shapes smaller in `draw`. The run's card tells you how the IoU depends on the size.
