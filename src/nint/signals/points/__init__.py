"""Scattered points with values."""
