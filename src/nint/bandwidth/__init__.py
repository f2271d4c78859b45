"""WHICH FREQUENCIES. The kernel at the start weights chooses a network's bandwidth for a signal, before any training."""
