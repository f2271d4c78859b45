"""Solids as signed distances."""
