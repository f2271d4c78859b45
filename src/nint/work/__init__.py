"""Independent tasks on worker processes of this machine or of a cluster."""
