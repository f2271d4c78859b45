"""What decides a run and what is kept of it: job, recipes, record, checkpoint, folder, model."""
