"""What the project claims of speed, memory and safety, as commands that measure it."""
