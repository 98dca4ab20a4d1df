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
# # Out of the lab
#
# A trained model is useful when others can run it: on their machine, on their images, without your notebook. This
# notebook exports a model, uses it with TensorFlow alone, and writes predictions for a folder of new images.
#
# It needs no download and takes about a minute on two CPU cores.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q tfvision")
    import tfvision

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

os.chdir(tempfile.mkdtemp())  # everything below is written there

# %% [markdown]
# ## A model
#
# Any run will do. This one knows the small handwritten digits that come with scikit-learn.

# %%
run = tfvision.train(
    data="digits",
    backbone="small_cnn",
    weights="none",
    head={"pooling": "flatten", "units": [32]},
    augment={"horizontal_flip": False},
    epochs=6,
    learning_rate=2e-3,
    output="runs/digits",
)

# %% [markdown]
# If its probabilities should be calibrated, or a threshold chosen, do that first: whatever a run has decided is
# exported with it.

# %%
run = tfvision.calibrate(run)
run

# %% [markdown]
# ## Export
#
# Most models break on their way into use for a dull reason: the images are scaled or resized in another way than in
# training. The exported model takes *raw* images, of any size, and does all of that itself.
#
# Before the export is published, it is loaded in a fresh process and compared with the original on real images. If
# they disagree, there is no export.

# %%
exported = tfvision.export(run, "saved_models/digits")
exported

# %% [markdown]
# The folder is a TensorFlow *SavedModel*, in the layout that TensorFlow Serving reads: one folder for each version.

# %%
for path in sorted(exported.folder.rglob("*")):
    if path.is_file():
        print(f"{path.as_posix():60} {path.stat().st_size:9,} bytes")

# %% [markdown]
# ## Use it without tfvision
#
# From here on TensorFlow is enough. Load the folder, and call the model like a function with pixels from 0 to 255:
# one image or a batch, of any size, even of other sizes than in training.

# %%
import tensorflow as tf

image = tfvision.open_images("digits")[1234].image  # uint8, height x width x 3
large = cv2.resize(image, (60, 60))

model = tf.saved_model.load(str(exported.folder))
for pixels in (image, large):
    answer = model(pixels[None])
    name, share = answer["class_name"][0].numpy().decode(), float(tf.reduce_max(answer["probabilities"][0]))
    print(f"{pixels.shape}: {name} with {share:.1%}")

# %% [markdown]
# Often there are no pixels yet, only a file: bytes of JPEG or PNG, from a disk or a web request. The signature
# `serve_bytes` takes those. Bytes that cannot be decoded do not stop the batch: their class is -1 and their name is
# empty.

# %%
files = [cv2.imencode(kind, image)[1].tobytes() for kind in (".png", ".jpg")] + [b"no image at all"]
answer = model.signatures["serve_bytes"](encoded=tf.constant(files))
for number, name in zip(answer["class"].numpy(), answer["class_name"].numpy(), strict=True):
    print(number, repr(name.decode()))

# %% [markdown]
# To be sure that nothing of tfvision is needed, here is the same as a program of its own. It runs in another process
# and says at the end whether tfvision was loaded there.

# %%
Path("ask.py").write_text("""
import sys
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
files = [tf.io.read_file(path) for path in sys.argv[2:]]
answer = model.signatures["serve_bytes"](encoded=tf.stack(files))
for path, name in zip(sys.argv[2:], answer["class_name"].numpy(), strict=True):
    print(path, name.decode())
print("tfvision was loaded:", "tfvision" in sys.modules)
""")
Path("digit.png").write_bytes(files[0])
done = subprocess.run(
    [sys.executable, "ask.py", str(exported.folder), "digit.png"], capture_output=True, text=True, check=True
)
print(done.stdout)

# %% [markdown]
# ## A folder of new images
#
# With tfvision at hand, `predict` takes a run or an exported model and a whole folder, and writes one row for each
# image. First we need a folder: forty digits as files, with names that say nothing about what they are.

# %%
Path("new").mkdir()
digits = tfvision.open_images("digits")
for number, row in enumerate(np.random.default_rng(0).choice(len(digits), 40, replace=False)):
    cv2.imwrite(f"new/{number:02}.png", digits[row].image)

tfvision.predict(exported.folder, "new", output="predictions.csv")

# %% [markdown]
# The file opens in any spreadsheet. Its columns are the image, the class, and the probability of every class. Sorted
# by the largest probability, it tells you which images a person should look at first:

# %%
table = pd.read_csv("predictions.csv", dtype={"predicted": str})
table["surest"] = table.filter(like="p_").max(axis=1)
doubtful = table.sort_values("surest")[["id", "predicted", "surest"]].head()
doubtful

# %%
run.predict(tfvision.open_images("new", labelled=False)[[int(name[:2]) for name in doubtful["id"]]])

# %% [markdown]
# ## Something to try
#
# - Call `model` with floats between 0 and 1. It refuses, since those pixels were scaled by someone else.
# - Export again, and look at the folder: the second version stands beside the first, so whoever uses it can go back.
# - Time `model(batch)` for batches of 1, 10 and 100 images. What does a single image cost in each?
# - In a terminal, `tfvision predict saved_models/digits new --output predictions.csv` does the same as the cell
#   above.
