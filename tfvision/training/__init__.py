"""Phases, optimizers, callbacks and the trainer."""
