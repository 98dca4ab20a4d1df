"""Learning curves over data: a score on more and more of the training images, and what more of them would bring."""
