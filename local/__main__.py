"""python -m local PHOTO ...: the command `classify`. See `local.cli`."""

import io
import os
import sys
from typing import cast

# As a shell reports a process that a signal ended: 128 + its number. SIGINT is 2, SIGPIPE 13.
INTERRUPTED = 130
OUTPUT_CLOSED = 141
UNUSABLE = 2


def main() -> None:
    """Run the command line and end the process; Ctrl-C and a closed pipe (`| head`) need no explanation."""
    # A stream that was closed (`>&-`) is None.
    sys.stdin, sys.stdout, sys.stderr = (
        stream or open(os.devnull, mode)  # noqa: PTH123, SIM115  (until the process ends)
        for stream, mode in ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w"))
    )
    try:
        from local.cli import main as run  # here, because Ctrl-C may come during the imports

        # A name that the terminal's encoding lacks ends no run: it is escaped, as in JSON.
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
        status = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        status = OUTPUT_CLOSED
    except OSError as error:  # such as a full disk
        print(f"error: the answers cannot be written: {error.strerror}", file=sys.stderr)
        status = UNUSABLE
    # At once: a thread may wait for a server, and Python takes 20 ms to take itself apart.
    os._exit(status)


if __name__ == "__main__":
    main()
