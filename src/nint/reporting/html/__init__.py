"""One HTML page about a fit, a comparison or a benchmark, in one file that opens without a network."""
