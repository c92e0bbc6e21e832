"""A URL as somebody sent it -> a URL that means one thing only."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from serve.errors import MalformedRequestError, UrlRefusedError

MAX_URL_LENGTH: Final = 2048
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_LABEL_LENGTH: Final = 63
_MAX_HOST_LENGTH: Final = 253  # RFC 1035, 2.3.4, as text
# Browsers and libraries drop or reinterpret these, each in its own way: what two parsers read differently is refused.
_AMBIGUOUS: Final = re.compile(r"[\x00-\x20\x7f\\]")
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](:[0-9]*)?")
_HOST_NAME: Final = re.compile(r"[a-z0-9._-]+")
# The reserved characters of RFC 3986, 2.2, and "%": these are left as they are, anything else is percent-encoded.
URL_SAFE: Final = ":/?#[]@!$&'()*+,;=%"

MALFORMED: Final = "The URL cannot be understood without doubt: send a plain http or https URL, percent-encoded."


@dataclass(frozen=True)
class Target:
    """A URL that has been understood: host in ASCII, lower case, without brackets; path and query percent-encoded."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As in the Host header: RFC 9110, 7.2."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def __str__(self) -> str:
        """For the log: a query may hold a signature or a token."""
        return self.url.partition("?")[0]


def parse(url: str) -> Target:
    """Understand a URL, or refuse it. Nothing is guessed: a doubtful URL is where two parsers would disagree."""
    if len(url) > MAX_URL_LENGTH:
        raise UrlRefusedError(f"The URL is too long: at most {MAX_URL_LENGTH:,} characters are taken.")
    try:
        parts = urlsplit(url)
        host, port = _host(parts), parts.port
        path = quote(f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/", safe=URL_SAFE)
    except ValueError:  # from None: its message may hold a password
        raise UrlRefusedError(MALFORMED) from None
    if not parts.scheme:
        raise MalformedRequestError("That is no URL: send one that begins with http:// or https://.")
    if parts.scheme not in _DEFAULT_PORTS:
        raise UrlRefusedError("Only http and https URLs are fetched.")
    if "@" in parts.netloc:
        raise UrlRefusedError("A URL with a user name or password is not fetched.")
    if not host or _AMBIGUOUS.search(url):
        raise UrlRefusedError(MALFORMED)
    return Target(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port, path)


def _host(parts: SplitResult) -> str:
    """The host in ASCII, or "" if it has none. Raises ValueError.

    Names beyond ASCII go by the IDNA of 2003 (RFC 3490), which the standard library has. It maps a few letters that
    the IDNA of 2008 keeps (German sharp s to ss) and takes newer ones unmapped: such a host is sent as "xn--...".
    """
    authority = parts.netloc.rpartition("@")[2]
    if "[" in authority:
        bracketed = _BRACKETED.fullmatch(authority)
        if bracketed is None:
            raise ValueError("brackets, but not around an IPv6 address")
        return str(IPv6Address(bracketed[1]))
    name = parts.hostname or ""
    if len(name) > _MAX_HOST_LENGTH:
        raise ValueError("host too long")
    ascii_name = _ascii(name).lower().removesuffix(".")
    if ascii_name and not _HOST_NAME.fullmatch(ascii_name):
        raise ValueError("not a host name")
    return ascii_name


def _ascii(name: str) -> str:
    """Raises ValueError: a label is empty, or longer than 63 characters (RFC 1035, 2.3.4)."""
    if not name.isascii():
        return name.encode("idna").decode("ascii")
    labels = name.removesuffix(".").split(".")
    if name and not all(0 < len(label) <= _MAX_LABEL_LENGTH for label in labels):
        raise ValueError("a label of the host is empty or too long")
    return name
