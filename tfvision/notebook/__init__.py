"""What a notebook shows of images and runs, and of a training while it lasts."""
