"""Models: backbones, heads, and what is frozen."""
