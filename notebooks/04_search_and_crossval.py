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
# # Search for a head, then check it by cross-validation
#
# How many units, how much dropout, which learning rate? A search tries and keeps the best on validation. The best of many
# looks better than it is, so cross-validation then says what it is worth.
#
# The first cell installs tfvision where it is missing, as in Colab; elsewhere it does nothing.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q tfvision")
    import tfvision

# %% [markdown]
# ## A training with ranges
#
# Write down a training as you would for `tfvision.train`, and put a range where you do not know the value: `choice`, `int` or
# `float`. Everything else is fixed. 300 digits and a small network trained from scratch keep this quick; `search` and
# `crossval` work the same way with a pretrained backbone, whose frozen part is computed once for all trials.

# %%
training = {
    "data": "digits",
    "limit": 300,
    "backbone": "small_cnn",
    "weights": "none",
    "image_size": 8,
    "epochs": 4,
    "batch_size": 16,
    "augment": {"horizontal_flip": False},
}
ranges = {
    "learning_rate": {"float": [5e-4, 1e-2], "log": True},
    "head": {"pooling": "flatten", "units": [{"choice": [32, 128]}], "dropout": {"float": [0.0, 0.5]}},
}

# %% [markdown]
# `dry_run` checks everything and says what would be tried. A wrong name is refused here, not an hour later.

# %%
settings = {"algorithm": "random", "trials": 4}

tfvision.search(**training, **ranges, search=settings, dry_run=True)

# %% [markdown]
# Now the search. Each trial learns from the same images and is scored on the same validation images. The test part is not
# looked at: it is not for choosing.

# %%
found = tfvision.search(**training, **ranges, search=settings)

# %%
found

# %% [markdown]
# Four random trials on 30 validation images: the best of them is good, but part of that is luck. Its folder has a report
# with a map over two options, and `best.yaml`, which the command line takes. From Python, `found.options` are the same options.

# %%
best = found.options
print("learning rate", best["phases"][0]["learning_rate"], "| head", best["head"]["units"], best["head"]["dropout"])

# %% [markdown]
# ## What is it worth?
#
# Cross-validation trains the winner three times. Each time another third of the images is the test, so that in the end every
# image was predicted by a model that had not seen it: a score on 300 images, not on 30, and its spread.

# %%
folds = tfvision.crossval(**best, folds=3)

# %%
folds

# %% [markdown]
# The number after ± is the standard deviation over the three folds: what another draw of the images changes. A gain that is
# smaller than this is not yet a gain. And one thing remains: the options were chosen on images that are now test images
# too, so this score is a little too good. With enough images, `"split": {"held_out": 0.15}` keeps some out of all folds.
#
# Each fold is a run as `train` would have made it:

# %%
first = tfvision.open_run(folds.folder / "fold_1")
first.show_mistakes(6)

# %% [markdown]
# ## Something to try
#
# - `settings = {"algorithm": "bayesian", "trials": 20}`: where does it look after the first few trials?
# - `"units": [{"choice": [32, 128]}, {"choice": [16, 64]}]`: two hidden layers.
# - `tfvision.train(**{**best, "limit": None, "epochs": 15})`: the winner on all digits, scored on its test part.
# - `folds=10`: each model learns from more images. What happens to the mean, and to the number after ±?
