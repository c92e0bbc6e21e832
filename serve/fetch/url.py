"""A URL as a client sent it -> a URL with one meaning."""

import re
from ipaddress import IPv6Address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from serve.errors import MalformedRequestError, UrlRefusedError

MAX_URL_LENGTH: Final = 2048
MAX_LOCATION_LENGTH: Final = 16_384
"""Of a redirect's URL. Servers make longer ones than people send, with signatures and tokens in them."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_LABEL_LENGTH: Final = 63
_MAX_HOST_LENGTH: Final = 253  # RFC 1035, 2.3.4, as text
# Browsers and libraries drop or reinterpret these, each in its own way: two parsers would read two URLs.
_AMBIGUOUS: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_BLANKS: Final = " \t\r\n"
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](:[0-9]*)?")
_HOST_NAME: Final = re.compile(r"[a-z0-9._-]+")
# The reserved characters of RFC 3986, 2.2, and "%" stay as they are; any other is percent-encoded.
URL_SAFE: Final = ":/?#[]@!$&'()*+,;=%"

MALFORMED: Final = "The URL is ambiguous or malformed. Send a percent-encoded http or https URL."


class Target(NamedTuple):
    """A parsed URL: host in ASCII, lower case, without brackets; path and query percent-encoded."""

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
        """For the log, scheme and host only: path and query may hold a token."""
        return f"{self.scheme}://{self.authority}"


def parse(url: str, max_length: int = MAX_URL_LENGTH) -> Target:
    """Parse a URL, or refuse it. Nothing is guessed: a URL that two parsers read differently is an attacker's tool.

    Blanks around it are dropped, and those in path and query percent-encoded, as browsers do (WHATWG URL, 4.4): a query
    parameter that holds a URL is decoded once before it comes here.

    Raises:
        MalformedRequestError: it has no scheme.
        UrlRefusedError: it is not http or https, is ambiguous, or has a user name.
    """
    url = url.strip(_BLANKS)
    if len(url) > max_length:
        raise UrlRefusedError(f"The URL is too long. Send one of at most {max_length:,} characters.")
    try:
        parts = urlsplit(url)
        host, port = _host(parts), parts.port
        path = quote(f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/", safe=URL_SAFE)
    except ValueError:  # from None: its message may hold a password
        raise UrlRefusedError(MALFORMED) from None
    if not parts.scheme:
        raise MalformedRequestError("The text is not a URL. Send one that begins with http:// or https://.")
    if parts.scheme not in _DEFAULT_PORTS:
        raise UrlRefusedError("The service fetches only http and https URLs.")
    if "@" in parts.netloc:
        raise UrlRefusedError("The URL has a user name or password. Send one without.")
    if not host or _AMBIGUOUS.search(url):
        raise UrlRefusedError(MALFORMED)
    return Target(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port, path)


def _host(parts: SplitResult) -> str:
    """The host in ASCII, or "" if it has none. Raises ValueError.

    Names beyond ASCII follow the IDNA of 2003 (RFC 3490), which the standard library has. It maps a few letters that
    the IDNA of 2008 keeps (German sharp s to ss) and leaves newer ones unmapped: clients send these as "xn--...".
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
