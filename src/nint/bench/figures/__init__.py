"""The figures of the paper, each from the runs of a store: a picture, and the numbers that it shows as JSON."""
