"""Photos in S3 -> results in S3."""
