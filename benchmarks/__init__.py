"""Commands that measure what the project claims of its speed, memory and safety."""
