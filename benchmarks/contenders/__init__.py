"""The baselines: written as public tutorials write them, and not meant for anything else.

Each folder is the working directory of a process of its own, and imports nothing of this project. `s3/` is on the path
of those that answer S3 notifications.
"""
