"""Images with their labels, read when they are needed, and one look at each of them."""
