"""How the machine is used: threads and devices, matrix library, memory, precision."""
