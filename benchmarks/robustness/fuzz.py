"""Broken photos, bodies and events by the million: nothing but the client errors of serve.errors may come of them.

    python -m benchmarks.robustness.fuzz --inputs 1000000

Small valid files of every format, multipart and JSON bodies, and events are mutated at random. Input n of a seed is
always the same: `--first n --inputs 1` plays it again. Fetching is off, so that nothing leaves the machine. On a
failure the input is saved, and the exit status is 1.
"""

import argparse
import base64
import collections
import dataclasses
import json
import random
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks import events
from benchmarks.robustness import corpus
from benchmarks.robustness.progress import Progress
from serve import adapters
from serve.app import App
from serve.errors import MalformedRequestError, ProblemError
from serve.http import Request
from serve.invocation import from_context
from serve.model import preprocess
from serve.settings import Settings
from serve.upload import photo_in

# For speed: the ceilings are the same code at every value.
_MAX_PIXELS: Final = 1_000_000
_MAX_BYTES: Final = 10_000_000
_SIDE: Final = 32
_BOUNDARY: Final = "boundary"
_ODD_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1e308,
    "",
    "\ud800",
    "x" * 300,
    [],
    [None],
    {},
    {"a": {}},
    "é%00",
)

Target = Callable[[random.Random], "Case"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One input, and what is done with it: `run` returns the HTTP status that a client would see."""

    content: Any
    run: Callable[[Any], int]


class Fuzzer:
    """Makes cases. The settings of the app turn fetching off."""

    def __init__(self) -> None:
        self._files = list(corpus.image_files().values())
        self._app = App(Settings(fetch_enabled=False, max_image_pixels=_MAX_PIXELS, log_level="ERROR"))
        self._targets: dict[str, tuple[int, Target]] = {
            "image": (80, self._image),
            "multipart": (7, self._multipart),
            "json": (6, self._json),
            "event": (7, self._event),
        }

    def case(self, seed: int, number: int) -> tuple[str, Case]:
        """The kind and the case of a number: the same for the same seed."""
        chance = random.Random(f"{seed}/{number}")  # noqa: S311  (to be played again, not to be secret)
        weights = [weight for weight, _ in self._targets.values()]
        kind = chance.choices(list(self._targets), weights)[0]
        return kind, self._targets[kind][1](chance)

    def _file(self, chance: random.Random) -> bytes:
        return corpus.mutated(chance.choice(self._files), chance.choice(self._files), chance)

    def _image(self, chance: random.Random) -> Case:
        return Case(self._file(chance), _decoded)

    def _multipart(self, chance: random.Random) -> Case:
        name = chance.choice(("file", "file", "photo"))
        form = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'
            f"Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        body = form + self._files[0][:40] + f"\r\n--{_BOUNDARY}--\r\n".encode()
        return Case(("multipart/form-data; boundary=" + _BOUNDARY, corpus.mutated(body, body, chance)), _unwrapped)

    def _json(self, chance: random.Random) -> Case:
        image = base64.b64encode(self._files[0]).decode()
        body = json.dumps(chance.choice(({"image": image}, {"url": "http://example.org/cat.jpg"}))).encode()
        return Case(("application/json", corpus.mutated(body, body, chance)), _unwrapped)

    def _event(self, chance: random.Random) -> Case:
        event = chance.choice((events.upload, _rest_event, _direct_event))(self._file(chance))
        for _ in range(chance.randrange(3)):
            _spoil(event, chance)
        return Case(event, self._answered)

    def _answered(self, event: Any) -> int:
        try:
            answer = adapters.answer(event, from_context(None), self._app)
        except MalformedRequestError as problem:  # raised, so that no service takes it for done
            return problem.status
        json.dumps(answer)  # as Lambda's runtime will
        return int(answer["statusCode"] if "statusCode" in answer else answer.get("error", {}).get("status", 200))


def _decoded(data: bytes) -> int:
    try:
        pixels = preprocess.decode(data, _SIDE, _SIDE, max_pixels=_MAX_PIXELS)
    except ProblemError as problem:
        return problem.status
    return 200 if pixels.size == (_SIDE, _SIDE) else 500


def _unwrapped(typed_body: tuple[str, bytes]) -> int:
    content_type, body = typed_body
    try:
        photo_in(Request("POST", "/predict", headers={"content-type": content_type}, body=body), _MAX_BYTES)
    except ProblemError as problem:
        return problem.status
    return 200


def _rest_event(image: bytes) -> dict[str, Any]:
    return {
        "httpMethod": "POST",
        "path": "/predict",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "requestContext": {"stage": "prod"},
        "body": json.dumps({"image": base64.b64encode(image).decode()}),
        "isBase64Encoded": False,
    }


def _direct_event(image: bytes) -> dict[str, Any]:
    return {"image": base64.b64encode(image).decode()}


def _spoil(event: dict[str, Any], chance: random.Random) -> None:
    """Put an odd value somewhere into the event, or take a member away."""
    inner = [value for value in event.values() if isinstance(value, dict) and value]
    members = chance.choice([event, *inner])
    if not members:
        return
    name = chance.choice(list(members))
    if chance.random() < 0.3:
        del members[name]
    else:
        members[name] = chance.choice(_ODD_VALUES)


def fuzz(seed: int, numbers: range) -> Iterator[tuple[str, int, float]]:
    """Run the cases of these numbers; yields the kind, the status and the seconds of each.

    Raises:
        AssertionError: a case raised, or got a status that is no client error; its content has been saved.
    """
    fuzzer = Fuzzer()
    for number in numbers:
        kind, case = fuzzer.case(seed, number)
        started = time.perf_counter()
        try:
            status = case.run(case.content)
        except Exception as error:
            raise AssertionError(_saved(kind, number, case)) from error
        if status != 200 and not 400 <= status < 500:
            raise AssertionError(f"status {status}: {_saved(kind, number, case)}")
        yield kind, status, time.perf_counter() - started


def _saved(kind: str, number: int, case: Case) -> str:
    path = Path(f"fuzz-{kind}-{number}.bin")
    path.write_bytes(case.content if isinstance(case.content, bytes) else repr(case.content).encode())
    return f"{kind} input {number} saved as {path}"


def main() -> None:
    """Fuzz, and print what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness.fuzz", description="Fuzz decoding, bodies and events."
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # Pillow's, on broken files that it still reads
    counts: collections.Counter[tuple[str, int]] = collections.Counter()
    slowest, started, progress = 0.0, time.perf_counter(), Progress()
    for kind, status, seconds in fuzz(arguments.seed, range(arguments.first, arguments.first + arguments.inputs)):
        counts[kind, status] += 1
        slowest = max(slowest, seconds)
        progress.tick(f"{counts.total():,} of {arguments.inputs:,} inputs")
    for (kind, status), count in sorted(counts.items()):
        print(f"{kind:10} {status} {count:>9,}")
    print(
        f"{counts.total():,} inputs in {time.perf_counter() - started:,.0f} s (seed {arguments.seed}): nothing but 200 "
        f"and client errors; the slowest took {slowest * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
