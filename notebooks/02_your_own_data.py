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
# # Your own images, and what is wrong with them
#
# A folder for each class is all that you need. Before you train on it, an audit looks at every image: wrong labels, copies
# and damaged files cost more accuracy than a better network brings.
#
# The first cell installs tfvision where it is missing, as in Colab; elsewhere it does nothing.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q 'tfvision[audit]'")
    import tfvision

# %% [markdown]
# ## A folder with faults
#
# So that this notebook runs without a download, the next cell cuts the two photos that come with scikit-learn into tiles:
# a temple and a flower. Then it spoils the folder in five ways, as real folders are spoiled. If you have a folder of your
# own with a folder for each class, skip this cell and write its path into `FOLDER` below.

# %%
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

tiles = Path("tiles")
for name, photo in zip(("temple", "flower"), load_sample_images().images, strict=True):
    (tiles / name).mkdir(parents=True, exist_ok=True)
    for row in range(5):
        for column in range(8):
            tile = photo[row * 80 : row * 80 + 80, column * 80 : column * 80 + 80]
            Image.fromarray(tile).save(tiles / name / f"{name}_{row}{column}.png")

temple, flower = tiles / "temple", tiles / "flower"
(temple / "again.png").write_bytes((temple / "temple_22.png").read_bytes())  # the same file twice
Image.open(flower / "flower_24.png").save(flower / "saved_again.jpg", quality=60)  # the same picture, compressed
(temple / "cut_off.png").write_bytes((temple / "temple_33.png").read_bytes()[:4000])  # a download that broke off
Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(flower / "lens_cap.png")  # black
(temple / "temple_25.png").replace(flower / "flower_99.png")  # in the wrong folder
print({folder.name: len(list(folder.iterdir())) for folder in (temple, flower)})

# %%
import sys
import time
from pathlib import Path

FOLDER = "tiles"

images = tfvision.open_images(FOLDER)
images

# %% [markdown]
# Does it look like your data? Are these the classes, and are the counts right? Nothing is copied or converted: the files
# are read where they are.
#
# ## The audit
#
# It finds copies, damaged files and odd pictures from the pixels alone. With a pretrained backbone it also learns the
# classes and names the labels that it doubts. The weights are a download of 9 MB, so the switch below asks for them in Colab
# and goes without them elsewhere; set it to `"imagenet"` where you have a network.

# %%
WEIGHTS = "imagenet" if "google.colab" in sys.modules else "none"

# Nothing is ever overwritten, so each audit has a folder of its own.
audit = Path(time.strftime("audit-%H%M%S"))
found = tfvision.audit(images, weights=WEIGHTS, output=audit)

# %% [markdown]
# What it found shows itself with pictures, the worst of each kind:

# %%
found

# %% [markdown]
# Only what leaves no doubt is left out: the file that broke off, and of two copies one. All else is for your eye, since an
# odd picture is often a good one: most of the bright tiles are the sky above the temple. The black picture is there to be
# dropped by you. And without the backbone nothing is said of the temple tile in the flower folder: nobody sees from the
# pixels alone that a label is wrong.
#
# `found.clean` are the images that are left, ready to be trained on.

# %%
print(len(images), "images,", len(found.clean), "of them clean; left out:")
for name in sorted(set(images.ids) - set(found.clean.ids)):
    print("  ", name)

# %% [markdown]
# ## Decide for yourself
#
# `audit.html` in its folder is a page that shows every doubtful picture beside its copy. Open it in your browser (in Colab:
# download it from the panel of files), press `k` to keep, `d` to drop, `r` to give another label, and save `review.csv`.
# That table is trained on as it is.
#
# Without the page: `clean.csv` beside it is a table of names and labels, and a label that is corrected there is the one that is
# trained on. So the black picture goes, and the temple tile becomes one of the temple again.

# %%
kept = [line for line in (audit / "clean.csv").read_text().splitlines() if not line.startswith("flower/lens_cap.png,")]
corrected = [line.replace("flower/flower_99.png,flower,", "flower/flower_99.png,temple,") for line in kept]
_ = (audit / "reviewed.csv").write_text("\n".join(corrected))

reviewed = tfvision.open_images(audit / "reviewed.csv")
print({name: len(reviewed[name]) for name in reviewed.class_names})

# %% [markdown]
# ## Train on what is left
#
# These are few images, so the network is small, and all of it is trained from scratch. Photos of your own deserve a
# pretrained backbone; the next notebook has one.

# %%
run = tfvision.train(
    data=audit / "reviewed.csv",
    backbone="small_cnn",
    weights="none",
    image_size=32,
    epochs=10,
    batch_size=8,
)

# %% [markdown]
# Look at `n` before you look at the score: with 8 test images, one image more or less is 12 points. The interval in brackets
# says so, except where all images are right: then it has no width, and only `n` warns you.
#
# It is also an easy task. Tiles of one photo resemble each other, so this score says nothing about other temples. If your
# photos come in series (of a camera, a patient, a day), name them in a column of a table and train with `group_column`: a
# series then stays in one part.
#
# Any picture can be asked about by its path. This one may have been among those it learned from:

# %%
run.predict(Path(FOLDER) / found.clean.ids[0])

# %% [markdown]
# ## Something to try
#
# - Your own folder as `FOLDER`.
# - `remove=["likely"]` in the audit, with `WEIGHTS = "imagenet"`: now what it doubts is left out too. Look whether it is right.
# - `tfvision.open_images(...)` takes a `.zip`, a CSV with a column of files and one of labels, a pandas DataFrame, or
#   `(pixels, labels)` as well.
