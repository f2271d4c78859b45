"""Sizes at which the paper's experiments run."""
