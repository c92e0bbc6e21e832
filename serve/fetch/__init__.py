"""A URL from a stranger -> the bytes behind it, safely: see `fetcher`."""
