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
# # Fine-tune a ConvNeXt
#
# A network that has learned from a million photos knows edges, textures and parts already. You put a new head on it, train
# the head while the rest is frozen, and then open its last layers at a small learning rate.
#
# The first cell installs tfvision where it is missing, as in Colab; elsewhere it does nothing.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q tfvision")
    import tfvision

# %% [markdown]
# ## With weights, or without a network
#
# In Colab, `REAL` is on: ConvNeXt-Tiny comes with its ImageNet weights (a download of 110 MB), and all digits pass it at
# 96 px, which wants a GPU. Elsewhere it is off, so that the notebook runs offline on two cores: the same network **without its
# weights**, 120 digits at 32 px, two epochs. Then all of it runs, but the scores say nothing about fine-tuning: what is
# frozen was never trained, and the test part has 10 images. Set it to `True` wherever you have a network and a GPU.

# %%
import sys

REAL = "google.colab" in sys.modules

BACKBONE = "convnext_tiny"
WEIGHTS, SIDE, LIMIT, EPOCHS = ("imagenet", 96, None, 6) if REAL else ("none", 32, 120, 2)

DATA = "digits"  # or a folder of photos, as in the notebook before

images = tfvision.open_images(DATA)
images.show(10, by="order")

# %% [markdown]
# ## What is frozen
#
# `unfreeze` takes `"none"` (only the new head learns), a number of last layers, a share such as `"30%"`, `"all"`, or the names
# of stages. The model is a plain `keras.Model`, and all that changes is `trainable` of its layers.

# %%
model = tfvision.build_classifier(BACKBONE, num_classes=len(images.class_names), image_size=SIDE, weights=WEIGHTS)
print("stages:", *tfvision.BACKBONES[BACKBONE].stages)

for opened in ("none", "15", "all"):
    tfvision.unfreeze(model, opened)
    count = tfvision.count_parameters(model)
    print(f"unfreeze {opened:>4}: {count.trainable:>10,} of {count.total:,} parameters learn")

# %% [markdown]
# ## Two phases
#
# First the head, on the frozen backbone. A linear head needs no epochs: it is a logistic regression on what the backbone says
# of each image. Then the last 15 layers and the head together, in small steps.
#
# There is no augmentation here, so what is frozen gives the same for an image in every epoch. It is computed once and kept.

# %%
head = {"name": "head", "solver": "logistic_regression", "epochs": 1, "unfreeze": "none"}
fine_tune = {"name": "fine-tune", "epochs": EPOCHS, "unfreeze": "15", "schedule": "cosine"}

options = {
    "data": DATA,
    "limit": LIMIT,
    "backbone": BACKBONE,
    "weights": WEIGHTS,
    "image_size": SIDE,
    "batch_size": 16,
    "augment": {"horizontal_flip": False},
}

# %% [markdown]
# ## How small a step?
#
# `lr_find` fits the head, then raises the learning rate from batch to batch until the loss rises, and suggests a rate.
# Nothing of this reaches the training below but the number.

# %%
rates = tfvision.lr_find(**options, phases=[head, fine_tune], steps=60)
rates

# %% [markdown]
# ## The training

# %%
fine_tune["learning_rate"] = rates["fine-tune"].suggestion

run = tfvision.train(**options, phases=[head, fine_tune])

# %% [markdown]
# ## Did the fine-tuning help?
#
# The run keeps the best of all steps by validation loss, the fitted head among them. If that is the head, fine-tuning brought
# nothing, and a line under the scores says so.

# %%
import csv

with open(run.folder / "history.csv", newline="") as file:
    for row in csv.DictReader(file):
        print(f"{row['phase']:<10} validation loss {row['val_loss']}, accuracy {row['val_accuracy']}")

# %% [markdown]
# The same as curves, with the scores and the mistakes:

# %%
run

# %% [markdown]
# ## Something to try
#
# - `REAL = True`, if you have a network, and a folder of photos as `DATA`: only then do the scores mean something.
# - `"unfreeze": "stage_3"`, or `"30%"`. More open layers want more images, and another rate: measure it again.
# - `BACKBONE = "mobilenet_v2"`: a twelfth of the parameters, and much faster without a GPU.
# - Turns and shifts in `"augment"`. Each epoch then sees other images. What happens to the time of an epoch, and why?
