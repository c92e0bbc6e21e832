"""python -m local PHOTO ...: the command `classify`. See `local.cli`."""

import os
import sys

# As a shell reports a process that a signal ended: 128 + its number. SIGINT is 2, SIGPIPE 13.
INTERRUPTED = 130
OUTPUT_CLOSED = 141


def main() -> None:
    """Run the command line and end the process; Ctrl-C and a closed pipe (`| head`) need no explanation."""
    try:
        from local.cli import main as run  # here, because Ctrl-C may come during the imports

        status = run()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        status = OUTPUT_CLOSED
    if status in (INTERRUPTED, OUTPUT_CLOSED):
        # At once: a thread may wait for a server, and nobody reads standard output.
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
