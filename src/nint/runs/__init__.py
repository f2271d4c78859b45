"""A run from its settings to its files: options, job, recipes, record, checkpoint, folder, model."""
