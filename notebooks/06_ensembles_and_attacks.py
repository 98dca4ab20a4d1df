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
# # Ensembles and attacks
#
# Two questions about a model that already works. Do several models together answer better than the best of them? And
# how little must an image change before the model gets it wrong?
#
# Both are easy to answer in a flattering way. This notebook shows how to answer them honestly. It uses small images
# of handwritten digits, needs no download and takes about two minutes on two CPU cores.

# %%
try:
    import tfvision
except ImportError:
    get_ipython().run_line_magic("pip", "install -q tfvision")
    import tfvision

import os
import tempfile

import numpy as np

os.chdir(tempfile.mkdtemp())  # everything below is written there

# %% [markdown]
# ## Three models
#
# The members of an ensemble should be good, and should not all fail on the same images. The first two here are the
# same network, from different random weights. The third is of another kind: a support vector machine on features of a
# network that was never trained. It takes seconds, and errs in its own way.
#
# Models can only be compared on images that none of them has learned from. So the second and third take the split of
# the first: `split={"file": ...}`.

# %%
options = {
    "data": "digits",
    "limit": 800,
    "backbone": "small_cnn",
    "weights": "none",
    "small_cnn": {"filters": [8, 16], "kernel_size": 3},
    "head": {"pooling": "flatten", "units": [32]},
    "augment": {"horizontal_flip": False},
    "split": {"validation": 0.25, "test": 0.375},
    "epochs": 10,
    "learning_rate": 3e-3,
}
first = tfvision.train(**options, seed=1, output="runs/first")

# %%
options["split"] = {"file": "runs/first/splits.csv"}
second = tfvision.train(**options, seed=2, output="runs/second")

# %%
third = tfvision.train(
    data="digits",
    limit=800,
    backbone="small_cnn",
    weights="none",
    classifier="svm",
    split=options["split"],
    output="runs/third",
)

# %% [markdown]
# ## Combine them
#
# There are many ways to combine answers: vote, average the probabilities, weigh the members. `tfvision.ensemble`
# tries several and chooses on the *validation* images. The best member alone is one of the candidates, so combining
# has to earn its place. The test images are only used afterwards, to say how good the choice is.
#
# No model runs here. Everything follows from the probabilities that each run has stored.

# %%
together = tfvision.ensemble(first, second, third, output="runs/together")
together

# %% [markdown]
# ## Is it better, or lucky?
#
# Two scores on some hundred test images differ by chance alone. To see by how much, we pretend to have other test
# images: draw as many images as there are, with repetition, score both models on them, and repeat this a thousand
# times. That is the *bootstrap*.
#
# It matters that both models are scored on the *same* drawn images. Some images are hard for everyone, and when many
# of those are drawn, both scores fall together; their difference hardly moves. This is the **paired interval**. The
# cell below computes it, and beside it the one you get if each model is scored on draws of its own.

# %%
a, b = (one.predictions.part("test") for one in (first, together))
right_a = a.predicted == a.labels
right_b = (b.predicted == b.labels)[[b.ids.index(name) for name in a.ids]]

random = np.random.default_rng(0)
draws, others = random.integers(0, len(right_a), (2, 1000, len(right_a)))
paired = right_b[draws].mean(1) - right_a[draws].mean(1)
unpaired = right_b[draws].mean(1) - right_a[others].mean(1)
print(f"ensemble - first: {right_b.mean() - right_a.mean():+.3f}")
for name, found in (("paired", paired), ("unpaired", unpaired)):
    low, high = np.quantile(found, [0.025, 0.975])
    print(f"{name:>8} 95 % interval: {low:+.3f} to {high:+.3f}, {high - low:.3f} wide")

# %% [markdown]
# `tfvision.compare` does this for several runs and scores. "Better" or "worse" stands there only if the interval does
# not contain zero; everything else is "not clear". That does not mean that the runs are equally good. It means that
# these test images cannot tell.

# %%
tfvision.compare(first, second, third, together)

# %% [markdown]
# ## Attack the first model
#
# Now the other question. An *attack* changes the pixels of an image by so little that a person would give the same
# answer, and the model a wrong one. It knows the model, and asks its gradients in which direction each pixel should
# move.
#
# **Epsilon** is the budget: no pixel value, on the scale from 0 to 255, may move by more than epsilon. At epsilon 4,
# a gray of 100 may become anything between 96 and 104.
#
# - `random` is no attack: noise of the same size, as a control.
# - `fgsm` takes one step along the sign of the gradient.
# - `pgd` takes many small steps, and is stronger.

# %%
attacked = tfvision.attack(first, method="random,fgsm,pgd", epsilon=[4, 8, 16, 32, 64], limit=100)
attacked

# %% [markdown]
# Read the table from the left. Noise does little; the attack, with changes of the same size, does much. So accuracy
# on noisy images says nothing about attacks.
#
# An attack can also fail because it is a bad attack, and then the model looks safe. The checks in the last line look
# for signs of that; for example, a larger budget must never leave *more* images right.
#
# ## Train against it
#
# The best-known defence is *adversarial training*: in each step, attack the batch first, then learn from the changed
# images. It costs time, since each attack step is one more pass through the model. Here, training goes on from the
# first model.
#
# `monitor="val_robust_accuracy"` keeps the epoch that is best under attack, not the one that is best on clean images.

# %%
armed = tfvision.train(
    **{**options, "weights": "runs/first", "epochs": 12},
    seed=1,
    adversarial={"attack": "pgd", "epsilon": 32, "steps": 5},
    monitor="val_robust_accuracy",
    output="runs/armed",
)

# %%
defended = tfvision.attack(armed, method="random,fgsm,pgd", epsilon=[4, 8, 16, 32, 64], limit=100)
defended

# %% [markdown]
# Both models side by side, on the same 100 images under PGD, the strongest attack here:

# %%
print(f"epsilon  undefended  defended\n   none  {attacked.clean_accuracy:10.2f}  {defended.clean_accuracy:8.2f}")
for before, after in zip(attacked.rows, defended.rows, strict=True):
    if before.attack == "pgd":
        print(f"{before.epsilon:7g}  {before.accuracy:10.2f}  {after.accuracy:8.2f}")

# %% [markdown]
# Does the defence cost accuracy on clean images? Here are all test images, compared in pairs:

# %%
tfvision.compare(first, armed)

# %% [markdown]
# ## Something to try
#
# - Add a fourth member: the same network, with `augment={"horizontal_flip": False, "shift": 0.05}`. Does the rule
#   change?
# - `tfvision.attack(second, first, method="pgd,transfer", epsilon=[16, 32])` attacks the second model with images
#   that were made against the first. How much weaker is an attack that does not know the model?
# - Train with `adversarial={"attack": "pgd", "epsilon": 8, ...}` and attack at 32: a defence against small changes,
#   tested with large ones.
