"""Sets of labelled images, which are read when they are needed, and the scan that checks each of them."""
