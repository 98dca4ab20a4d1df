"""Storage: folders, archives and arrays, read in place."""
