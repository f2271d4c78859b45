"""A local page that shows runs while they train, read from their folders."""
