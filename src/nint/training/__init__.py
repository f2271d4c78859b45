"""The loop and its parts: gradient, optimizers, learning rate, budgets, clock."""
