"""One run: options and images in, a run folder with an honest score out."""
