"""Images in arrays: NumPy, `.npy`, `.npz` and HDF5."""
