"""A comparison in MLflow: a run of its own above the cells' runs, and the registered model."""
