"""Training of qrhead mini: a small llama whose last two layers are trained to be retrieval heads."""
