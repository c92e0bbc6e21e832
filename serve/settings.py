"""The settings that a deployer can change, read once from environment variables.

Each stands here once, with its default, its parser and its meaning: `docs/settings.md` is written from them
(`python -m local.settings_page`), and a test compares `template.yaml` with them.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_args

from serve.model.limits import MAX_IMAGE_PIXELS

_ROOT = Path(__file__).parents[1]
_T = TypeVar("_T")


class SettingsError(ValueError):
    """A variable has a value that cannot work; the message names it and says what it takes."""


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("takes a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 900:
        raise ValueError("takes seconds, more than 0 and at most 900")
    return seconds


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("takes true or false")
    return text.lower() == "true"


def _listed(parse: Callable[[str], _T]) -> Callable[[str], frozenset[_T]]:
    return lambda text: frozenset(parse(item.strip()) for item in text.split(",") if item.strip())


def _host(text: str) -> str:
    """A host as the fetcher compares it: ASCII (IDNA), lower case, no trailing dot; ".example.org" for sub-domains."""
    name = text.lower().removesuffix(".")
    dot = "." if name.startswith((".", "*.")) else ""
    name = name.removeprefix("*").removeprefix(".") if dot else name
    try:
        return str(IPv6Address(name.strip("[]")))
    except ValueError:
        # Only a name beyond ASCII needs the tables of IDNA, which take time to load.
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        raise ValueError("takes hosts such as example.org or *.example.org, without scheme, port and path")
    return dot + name


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise ValueError("takes ports from 1 to 65535")
    return int(text)


def _contact(text: str) -> str:
    if not re.fullmatch(r"(https?://|mailto:)?[A-Za-z0-9@./:_~+-]+", text) or not set(text) & set("@."):
        raise ValueError("takes an e-mail address or a URL")
    return text


def _base_path(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", text):
        raise ValueError("takes a path that begins with a slash, such as /v1")
    return text.rstrip("/")


def _origin(text: str) -> str:
    origin = text.lower().removesuffix("/")
    if origin != "*" and not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?", origin):
        raise ValueError("takes * or one origin such as https://www.example.org, without a path")
    return origin


def _level(text: str) -> str:
    # No CRITICAL: it would drop the lines of bugs, and with them the metric of the alarm.
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("takes DEBUG, INFO, WARNING or ERROR")
    return text.upper()


class About(NamedTuple):
    """How a setting's variable is read, and its line in docs/settings.md."""

    parse: Callable[[str], object]
    meaning: str


class Settings(NamedTuple):
    """The settings; each field is the environment variable of the same name in capitals."""

    model_path: Annotated[Path, About(Path, "The `.tflite` file.")] = _ROOT / "models" / "cats_dogs.tflite"
    num_threads: Annotated[
        int,
        About(
            _positive_int, "Threads of the interpreter. Lambda gives one whole vCPU at 1,769 MB, so more rarely pays."
        ),
    ] = 1
    results_bucket: Annotated[str, About(str, "The bucket for the results of S3 events. Empty: S3 events fail.")] = ""
    results_prefix: Annotated[str, About(str, "The start of every result's key, such as `results/`.")] = ""
    result_tags: Annotated[
        bool, About(_flag, "Whether a photo in S3 is also tagged with its label and probability.")
    ] = False
    max_image_bytes: Annotated[
        int,
        About(
            _positive_int,
            "The largest photo as a file, in bytes. Lambda accepts 6 MB in a request; a URL or S3 can give more.",
        ),
    ] = 10_000_000
    max_image_pixels: Annotated[
        int,
        About(
            _positive_int,
            "The largest JPEG, in pixels (width x height). Formats that take more memory a pixel get a share of it; "
            "values beyond Pillow's own limit of 89 million have no effect: see [security](security.md).",
        ),
    ] = MAX_IMAGE_PIXELS
    fetch_enabled: Annotated[bool, About(_flag, "Whether the service fetches photos from URLs.")] = True
    fetch_timeout_s: Annotated[float, About(_seconds, "The time limit of one URL, redirects included, in seconds.")] = (
        5.0
    )
    fetch_contact: Annotated[
        str,
        About(
            _contact,
            "Your e-mail address or web page, for the User-Agent of fetches. Wikimedia, for one, may block a client "
            "that names no contact.",
        ),
    ] = ""
    url_allowed_hosts: Annotated[
        frozenset[str],
        About(
            _listed(_host),
            "The only hosts to fetch from, separated by commas; `*.example.org` stands for its sub-domains. "
            "Empty: any public host.",
        ),
    ] = frozenset()
    url_allowed_ports: Annotated[
        frozenset[int], About(_listed(_port), "The only ports to connect to, separated by commas.")
    ] = frozenset({80, 443})
    url_allowed_networks: Annotated[
        frozenset[IPv4Network | IPv6Network],
        About(
            _listed(ip_network),
            "Private networks to fetch from, such as `10.0.0.0/8`, separated by commas. "
            "Anyone who can send a URL then reaches every web server in them.",
        ),
    ] = frozenset()
    base_path: Annotated[
        str,
        About(
            _base_path,
            "The path in front of the service's own paths, such as `/v1` behind a load balancer. "
            "API Gateway's base paths and stages are known from its events.",
        ),
    ] = ""
    cors_allow_origin: Annotated[
        str, About(_origin, "The value of `Access-Control-Allow-Origin`: an origin, or `*`. Empty: no CORS headers.")
    ] = ""
    log_level: Annotated[
        str,
        About(
            _level,
            "Log lines below this level are dropped. An answer is `INFO`, a problem `WARNING`, a bug `ERROR`.",
        ),
    ] = "INFO"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables that are set; an empty one counts as not set.

        Raises:
            SettingsError: a value cannot work.
        """
        values: dict[str, Any] = {}
        for name, _default, about in described():
            text = environ.get(name.upper(), "").strip()
            if not text:
                continue
            try:
                values[name] = about.parse(text)
            except ValueError as error:
                raise SettingsError(f"{name.upper()}={text!r}: {error}") from error
        return cls(**values)


def described() -> Iterator[tuple[str, Any, About]]:
    """Each setting's name, default and description."""
    abouts = ((name, get_args(annotation)[1]) for name, annotation in Settings.__annotations__.items())
    return ((name, Settings._field_defaults[name], about) for name, about in abouts)


def as_text(value: object) -> str:
    """A setting's value as its variable has it; a path relative to the project, if it is inside."""
    match value:
        case bool():
            return str(value).lower()
        case frozenset():
            return ",".join(str(item) for item in sorted(value))
        case Path() if value.is_relative_to(_ROOT):
            return str(value.relative_to(_ROOT))
    return str(value)
