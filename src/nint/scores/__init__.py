"""HOW IMPORTANT a point is: probe -> one number a point."""
