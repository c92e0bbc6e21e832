"""How the function grows: with load, batches and pixels, and what that costs."""
