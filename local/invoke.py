"""python lambda_function.py PHOTO: the handler's answer about one file or URL, or to one event, without AWS."""

import base64
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

USAGE: Final = "usage: python lambda_function.py PHOTO | --event FILE   (a photo's file or URL, or an event as JSON)"


def main(handler: Callable[[Any, Any], Any], arguments: Sequence[str] | None = None) -> int:
    """Print what the handler says; the exit status is 0 for an answer, 1 for a problem, 2 for a wrong command."""
    try:
        event = _event(sys.argv[1:] if arguments is None else arguments)
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}; {USAGE}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}; {USAGE}", file=sys.stderr)
        return 2
    answer = handler(event, None)
    print(json.dumps(answer, indent=2))
    return 1 if isinstance(answer, dict) and "error" in answer else 0


def _event(arguments: Sequence[str]) -> Any:
    match arguments:
        case ["--event", file]:
            return json.loads(Path(file).read_text(encoding="utf-8"))
        case [photo] if not photo.startswith("-"):
            return event_for(photo)
    raise ValueError("one photo or one event is needed")


def is_url(photo: str) -> bool:
    """Whether an argument is a URL rather than a path."""
    return photo.lower().startswith(("http://", "https://"))


def event_for(photo: str) -> dict[str, str]:
    """The direct event that asks about a photo.

    Raises:
        OSError: the file cannot be read.
    """
    if is_url(photo):
        return {"url": photo}
    return {"image": base64.b64encode(Path(photo).read_bytes()).decode()}
