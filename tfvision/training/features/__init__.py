"""The frozen part once: what a trunk gives, stored and fed to what is trained on top."""
