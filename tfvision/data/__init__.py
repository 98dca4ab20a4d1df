"""Where images come from, how they are split, balanced, augmented and batched."""
