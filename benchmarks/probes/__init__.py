"""Small programs that measure. Each runs in the environment of what it measures, in a process of its own."""
