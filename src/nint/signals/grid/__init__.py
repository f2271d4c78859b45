"""Values on regular grids: arrays, volumes, videos."""
