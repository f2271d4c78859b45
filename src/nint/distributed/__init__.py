"""ONE SIGNAL OVER MANY PROCESSES: rows are divided, points are chosen over all of them, gradients are summed; see docs/distributed.md."""
