"""One HTML page about a run, a comparison or a benchmark, and the pictures of a run."""
