"""From a run to a SavedModel, checked in a fresh process."""
