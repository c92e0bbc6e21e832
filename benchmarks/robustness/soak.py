"""Tens of thousands of good and bad requests through the Lambda handler in one process: every answer right, no growth.

    python -m benchmarks.robustness.soak --requests 20000

Uploads in every format and wrapping, garbage, refused URLs, and URLs of a photo server on loopback. After a warm-up,
resident memory, open descriptors and threads are noted; at the end they are compared. Linux only: it reads /proc.
"""

import argparse
import base64
import collections
import contextlib
import functools
import gc
import io
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from benchmarks.events import FORM, form, upload
from benchmarks.photo_server import photo_server
from benchmarks.robustness import corpus
from benchmarks.robustness.bill import resident_megabytes
from benchmarks.robustness.progress import Progress
from serve.errors import MalformedRequestError

_ALLOWED_GROWTH_MB: Final = 8.0
Handler = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Call:
    """An event, and the status that its answer must have."""

    name: str
    event: dict[str, Any]
    status: int


@dataclass(frozen=True)
class Usage:
    """What the process holds: resident memory in MB, descriptors, threads."""

    memory_mb: float
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> "Usage":
        """The present state, after garbage is collected."""
        gc.collect()
        return cls(resident_megabytes(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count())


def calls(server: str) -> list[Call]:
    """Every kind of request, each with the status that it must get."""
    files = corpus.image_files((400, 300))
    good = [Call(f"upload of {name}", upload(data, "image/*"), 200) for name, data in files.items()]
    jpeg = files["jpeg"]
    wrapped = json.dumps({"image": base64.b64encode(jpeg).decode()}).encode()
    good += [
        Call("JSON", upload(wrapped, "application/json"), 200),
        Call("multipart", upload(form(jpeg), FORM), 200),
        Call("direct", {"image": base64.b64encode(jpeg).decode()}, 200),
    ]
    # Half of a file of several pictures may hold the whole first one.
    single = {name: data for name, data in files.items() if name not in ("jpeg-mpo", "gif-animated")}
    truncated = [
        Call(f"half of {name}", upload(data[: len(data) // 2], "image/*"), 422) for name, data in single.items()
    ]
    return [*good, *truncated, *_bad_uploads(), *_urls(server)]


def _bad_uploads() -> list[Call]:
    line = corpus.encoded(Image.new("RGB", (70_000, 1)), "PNG")
    return [
        Call("garbage", upload(b"garbage", "image/jpeg"), 415),
        Call("broken HEIC", upload(b"\0\0\0\x18ftypheic" + bytes(40), "image/heic"), 422),
        Call("too long a side", upload(line, "image/png"), 413),
        Call("too many bytes", upload(b"\xff\xd8\xff" + bytes(10_000_001), "image/jpeg"), 413),
        Call("no body", upload(b"", "image/jpeg"), 400),
        Call("broken JSON", upload(b'{"image": ', "application/json"), 400),
        Call("no base64", {"image": "###"}, 400),
        Call("broken form", upload(form(b"")[:-9], FORM), 400),
        Call("no such event", {"what": 1}, 400),
        Call("no such route", {**upload(b"a", "image/jpeg"), "rawPath": "/nothing"}, 404),
    ]


def _urls(server: str) -> list[Call]:
    statuses = {
        f"{server}/photo": 200,
        f"{server}/there": 200,
        f"{server}/missing": 502,
        f"{server}/short": 502,
        "http://169.254.169.254/latest/meta-data/": 422,
        "http://[::ffff:10.0.0.1]/": 422,
        "http://0x7f000001:22/": 422,
        "ftp://127.0.0.1/": 422,
        "file:///etc/passwd": 422,
        "http://user:password@127.0.0.1/": 422,
        "no URL": 400,
    }
    return [Call(f"URL {url}", {"url": url}, status) for url, status in statuses.items()]


def wrong_answer(call: Call, first: Any, answer: Any) -> str | None:
    """What is wrong with an answer, or None: its status, or its difference from the first answer to the same call."""
    status = answer["statusCode"] if "statusCode" in answer else answer.get("error", {"status": 200})["status"]
    if status != call.status:
        return f"{call.name}: status {status}, not {call.status}: {answer}"
    told = [one.get("body", one) for one in (first, answer)]
    return None if told[0] == told[1] else f"{call.name}: {told[1]}, but at first {told[0]}"


def soak(handler: Handler, chosen: Iterator[Call], count: int, first: dict[str, Any]) -> list[str]:
    """Send this many; returns what was wrong. `first` keeps the first answer to each call."""
    wrong: list[str] = []
    progress = Progress()
    for number in range(count):
        progress.tick(f"{number:,} of {count:,} requests, {len(wrong)} wrong")
        call = next(chosen)
        try:
            answer = handler(call.event, None)
        except MalformedRequestError as error:  # raised, so that no service takes it for done
            answer = {"error": error.problem()}
        problem = wrong_answer(call, first.setdefault(call.name, answer), answer)
        if problem is not None:
            wrong.append(problem)
    return wrong


def _handler(server: str) -> Handler:
    """The Lambda entry point, with settings that let it reach the loopback server."""
    os.environ |= {
        "URL_ALLOWED_NETWORKS": "127.0.0.1/32",
        "URL_ALLOWED_PORTS": f"80,443,{server.rpartition(':')[2]}",
        "LOG_LEVEL": "ERROR",
    }
    import lambda_function

    handler: Handler = lambda_function.handler
    return handler


def main() -> int:
    """Soak, and print what was seen; the exit status is 1 if an answer was wrong or something grew."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness.soak", description="Mixed requests, in one process."
    )
    parser.add_argument("--requests", type=int, default=20_000, help="how many (default: %(default)s)")
    requests = parser.parse_args().requests
    photo = corpus.image_files((400, 300))["jpeg"]
    with photo_server(photo) as server, contextlib.redirect_stdout(io.StringIO()):
        handler, kinds, first = _handler(server), calls(server), dict[str, Any]()
        chosen = iter(functools.partial(random.Random(1).choice, kinds), None)  # noqa: S311  (to be played again)
        wrong = soak(handler, iter(kinds), len(kinds), first) + soak(handler, chosen, 1000, first)
        before, started = Usage.now(), time.perf_counter()
        wrong += soak(handler, chosen, requests, first)
        seconds, after = time.perf_counter() - started, Usage.now()
    statuses = collections.Counter(call.status for call in kinds)
    print(f"{requests:,} requests of {len(kinds)} kinds {dict(sorted(statuses.items()))} in {seconds:,.0f} s")
    print(f"wrong answers: {len(wrong)}", *(told[:500] for told in wrong[:10]), sep="\n  ")
    print(f"after the warm-up: {before}\nat the end:        {after}")
    grown = after.memory_mb - before.memory_mb > _ALLOWED_GROWTH_MB
    leaked = after.descriptors > before.descriptors or after.threads > before.threads
    return int(bool(wrong) or grown or leaked)


if __name__ == "__main__":
    sys.exit(main())
