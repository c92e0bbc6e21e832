"""All that a deployer can set, read once from environment variables. `template.yaml` and the README list the same."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from serve.model.preprocess import MAX_IMAGE_PIXELS


class SettingsError(ValueError):
    """A variable has a value that cannot be used; the message says which, and what it takes."""


@dataclass(frozen=True)
class Settings:
    """The settings; each field is the environment variable of the same name in capitals.

    Attributes:
        model_path: the .tflite file.
        num_threads: for inference. Lambda gives one whole vCPU at 1,769 MB, so more rarely pays.
        results_bucket: where results of S3 events go; empty: S3 events are refused.
        results_prefix: before the source's bucket and key in a result's name.
        result_tags: whether a photo in S3 is tagged with its label and probability too.
        max_image_bytes: of one photo, encoded. Lambda takes 6 MB in a request; a URL or S3 can give more.
        max_image_pixels: of one JPEG, width x height; formats that take more memory a pixel get a share of it, and more
            than Pillow's own ceiling of 89 million has no effect (docs/security.md).
        fetch_enabled: whether URLs are opened at all.
        fetch_timeout_s: for one URL from first to last, in seconds.
        url_allowed_hosts: only these hosts are fetched from; ".example.org" stands for its sub-domains.
            Empty: any public host.
        url_allowed_ports: only these ports are connected to.
        url_allowed_networks: non-public networks that may be fetched from all the same. Whoever can send a URL can then
            reach every web server in them.
        cors_allow_origin: the value of `Access-Control-Allow-Origin`: an origin, or "*". Empty: no such header.
        log_level: of the standard library's logging.
    """

    model_path: Path = Path(__file__).parents[1] / "models" / "cats_dogs.tflite"
    num_threads: int = 1
    results_bucket: str = ""
    results_prefix: str = ""
    result_tags: bool = False
    max_image_bytes: int = 10_000_000
    max_image_pixels: int = MAX_IMAGE_PIXELS
    fetch_enabled: bool = True
    fetch_timeout_s: float = 5.0
    url_allowed_hosts: frozenset[str] = frozenset()
    url_allowed_ports: frozenset[int] = frozenset({80, 443})
    url_allowed_networks: frozenset[IPv4Network | IPv6Network] = frozenset()
    cors_allow_origin: str = ""
    log_level: str = "INFO"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables that are set; an empty one counts as not set.

        Raises:
            SettingsError: a value cannot be used.
        """
        values: dict[str, Any] = {}
        for field, parse in _PARSERS.items():
            text = environ.get(field.upper(), "").strip()
            if not text:
                continue
            try:
                values[field] = parse(text)
            except ValueError as error:
                raise SettingsError(f"{field.upper()}={text!r}: {error}") from error
        return cls(**values)


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


def _listed(parse: Callable[[str], Any]) -> Callable[[str], frozenset[Any]]:
    return lambda text: frozenset(parse(item.strip()) for item in text.split(",") if item.strip())


def _level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError("takes DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return text.upper()


_PARSERS: dict[str, Callable[[str], object]] = {
    "model_path": Path,
    "num_threads": _positive_int,
    "results_bucket": str,
    "results_prefix": str,
    "result_tags": _flag,
    "max_image_bytes": _positive_int,
    "max_image_pixels": _positive_int,
    "fetch_enabled": _flag,
    "fetch_timeout_s": _seconds,
    "url_allowed_hosts": _listed(str.lower),
    "url_allowed_ports": _listed(_positive_int),
    "url_allowed_networks": _listed(ip_network),
    "cors_allow_origin": str,
    "log_level": _level,
}
