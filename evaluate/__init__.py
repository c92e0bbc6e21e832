"""Says how good a model is: metrics, plots, the model card."""
