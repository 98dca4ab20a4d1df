"""The recipes: an installation finds the files of `configs/` here, a checkout beside the package."""
