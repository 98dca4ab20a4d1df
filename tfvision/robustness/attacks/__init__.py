"""Attacks: small changes of pixels that are meant to change what a model says."""
