"""What the function withstands: broken files, and many requests."""
