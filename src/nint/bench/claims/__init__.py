"""The paper's claims, each with a check that can be computed."""
