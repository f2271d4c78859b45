"""Plots: arrays in, picture files out."""
