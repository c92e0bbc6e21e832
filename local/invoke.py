"""python lambda_function.py PHOTO: the handler's answer about a file or a URL, or to an event, without AWS."""

import base64
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from serve.adapters._records import DeliverAgainError
from serve.errors import ProblemError
from serve.settings import SettingsError

USAGE: Final = "usage: python lambda_function.py PHOTO | --event FILE   (PHOTO: a file or URL; FILE: an event as JSON)"


class InputError(ValueError):
    """The command cannot be carried out; the message says why."""


def main(handler: Callable[[Any, Any], Any], arguments: Sequence[str] | None = None) -> int:
    """Print the handler's answer; the exit status is 0 for an answer, 1 for a problem, 2 for a wrong command or
    setting.
    """
    try:
        event = _event(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        answer = handler(event, None)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (ProblemError, DeliverAgainError) as error:  # what a service that delivers events wants raised
        print(f"error: {error}", file=sys.stderr)
        return 1
    if isinstance(answer, dict) and isinstance(problem := answer.get("error"), dict):
        print(f"error: {problem.get('detail')}", file=sys.stderr)
        return 1
    try:
        print(json.dumps(answer, indent=2), flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  (Python flushes it at its end)
    except OSError as error:
        print(f"error: the answer cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    return 1 if isinstance(answer, dict) and answer.get("statusCode", 200) >= 400 else 0


def _event(arguments: Sequence[str]) -> Any:
    match arguments:
        case ["--event", file]:
            return _json(Path(file))
        case [photo] if not photo.startswith("-"):
            return event_for(photo)
    raise InputError(f"one photo or one event is needed; {USAGE}")


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from error


def is_url(photo: str) -> bool:
    """Whether an argument is a web address rather than a path."""
    return photo.lower().startswith(("http://", "https://"))


def event_for(photo: str) -> dict[str, str]:
    """The direct event that asks about a photo.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    return {"url": photo} if is_url(photo) else {"image": base64.b64encode(_read(Path(photo))).decode()}


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file in it") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if not data:
        raise InputError(f"{path}: the file is empty")
    return data
