"""Tuning of the base model: low-rank changes to the first layers of a released llama."""
