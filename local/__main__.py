"""python -m local PHOTO ...: is it a cat or a dog? See `local.cli`."""

import os
import sys

# As a shell tells a process that a signal ended: 128 + its number. SIGINT is 2, SIGPIPE 13.
INTERRUPTED = 130
OUTPUT_CLOSED = 141


def run() -> int:
    """Run the command line; Ctrl-C, or a reader that has seen enough (`| head`), is no error to explain."""
    try:
        from local.cli import main  # here, because Ctrl-C may come while NumPy is imported

        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return OUTPUT_CLOSED


if __name__ == "__main__":
    status = run()
    if status in (INTERRUPTED, OUTPUT_CLOSED):
        # At once: a thread may be waiting for a server, and there is nobody to flush standard output to.
        os._exit(status)
    sys.exit(status)
