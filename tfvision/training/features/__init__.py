"""The frozen part once: outputs of a trunk, stored and fed to what is trained on top."""
