"""Experiments: runs as plain data, who runs them and what keeps them; tables, figures and claims made of them."""
