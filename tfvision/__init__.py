"""tfvision: from a folder of labelled images to an honest score and a SavedModel, in one command."""

__version__ = "0.1.0"
