"""What tfvision needs of the machine: files, locks, the cache folder, the device and the terminal."""
