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
# # A first model in ten cells
#
# You know `compile`, `fit` and `predict`. Here you train a small network on the 1,797 handwritten digits that come with
# scikit-learn, look at what it gets wrong, and load it again with plain Keras. It takes about a minute on a laptop.
#
# The first cell installs tfvision where it is missing, as in Colab; elsewhere it does nothing.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q tfvision")
    import tfvision

# %% [markdown]
# ## The images
#
# `open_images` takes a folder, a `.zip`, a table, a DataFrame or arrays. The last line of a cell shows what it is.

# %%
import keras

images = tfvision.open_images("digits")
images

# %% [markdown]
# One image is a NumPy array with its label; a class and a slice are sets of images like the whole.

# %%
first = images[0]
print(first.label, first.image.shape, first.image.dtype, "|", len(images[first.label]), "of this class")

# %% [markdown]
# Small turns and shifts of each image in each epoch make it harder to learn them by heart. This is what the training will
# see. There is no mirroring: a mirrored digit is no digit.

# %%
augment = {"horizontal_flip": False, "rotation": 8, "shift": 0.08}
images.show_augmented(augment, n=5)

# %% [markdown]
# ## The model
#
# The model is a plain `keras.Model`. It takes raw pixels, 0 to 255, and scales them itself, so that nobody can forget to.

# %%
keras.utils.set_random_seed(0)
model = tfvision.build_classifier(
    "small_cnn",
    num_classes=len(images.class_names),
    image_size=16,  # the side that the network sees
    input_size=8,  # and that of the images, which the model enlarges itself
    weights=None,
    head_pooling="flatten",
    head_units=(64,),
)
model.summary()

# %% [markdown]
# ## The training
#
# `train` compiles and fits. Before that it divides the images into three parts: it learns from one, chooses the best epoch
# by the second (validation), and scores the third (test) once, at the end.

# %%
run = tfvision.train(
    model,
    images,
    phases=[{"epochs": 6, "learning_rate": 2e-3, "schedule": "cosine"}],
    augment=augment,
)

# %% [markdown]
# ## What came of it
#
# The numbers in brackets are a 95 % interval: with another draw of this many test images, the score could well have been
# anywhere in there. Two models whose intervals overlap may be equally good.

# %%
run

# %% [markdown]
# The mistakes on test images, those it was surest of first. Would you have known them all?

# %%
run.show_mistakes(12)

# %% [markdown]
# ## Ask it
#
# `run.predict` takes a file, a folder, an image or a set of them. This one is of the test part: the model never learned from it.

# %%
unseen = images.split()["test"][:1]
run.predict(unseen)

# %% [markdown]
# The folder of the run holds the model, every prediction, the scores, the curves and a report for the browser, `report.html`.
# The model needs no tfvision: this is plain Keras, and it gives the same answer. `to_dataset` makes the batches that it takes.
#
# The outputs are the probabilities of the classes, in order. Of two classes there is only that of the second.

# %%
print(*sorted(path.name for path in run.folder.iterdir()), sep="  ")

plain = keras.saving.load_model(run.folder / "model.keras")
print(unseen[0].label, run.class_names, plain.predict(unseen.to_dataset(8), verbose=0).round(4))

# %% [markdown]
# ## Something to try
#
# - `"epochs": 30` above. Does the interval move, or only the number?
# - `augment={"horizontal_flip": True}`: which digits suffer?
# - `tfvision.open_images("a/folder/of/yours")` with a folder for each class. The next notebook does that.
