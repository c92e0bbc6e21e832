"""python lambda_function.py PHOTO: the handler's answer about one file or URL, without AWS."""

import base64
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

USAGE = "usage: python lambda_function.py PHOTO   (a file or an http(s) URL)"


def main(handler: Callable[[Any, Any], Any], arguments: Sequence[str] | None = None) -> int:
    """Print what the handler says; the exit status is 0 for a label, 1 for a problem, 2 for a wrong command."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        answer = handler(event_for(given[0]), None)
    except OSError as error:
        print(f"error: {given[0]}: {error.strerror}; {USAGE}", file=sys.stderr)
        return 2
    print(json.dumps(answer, indent=2))
    return 1 if "error" in answer else 0


def event_for(photo: str) -> dict[str, str]:
    """The direct event that asks about a photo.

    Raises:
        OSError: the file cannot be read.
    """
    if photo.lower().startswith(("http://", "https://")):
        return {"url": photo}
    return {"image": base64.b64encode(Path(photo).read_bytes()).decode()}
