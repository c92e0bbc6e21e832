"""What ours is measured beside: written as public tutorials write it, and not to be used for anything else.

Each folder is the working directory of a process of its own, and imports nothing of this project.
"""
