"""Small programs that run in the environment of what they measure, each in a process of its own."""
