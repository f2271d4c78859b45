"""Datasets of fields: many signals fitted at once, on as many processes or machines as there are, into one folder."""
