"""Training of the built-in models of qrhead."""
