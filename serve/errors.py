"""What can be wrong with a request, each with its HTTP status and its RFC 9457 problem type.

Anything else that is raised is a fault of ours. The detail is read by a stranger: it says what to do, and nothing
about the inside.
"""

from typing import ClassVar


class ProblemError(Exception):
    """A problem to be told to the client; the base of all others here."""

    status: ClassVar[int]
    kind: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def problem(self) -> dict[str, object]:
        """The problem object of RFC 9457, section 3."""
        return {
            "type": f"urn:problem-type:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }


class MalformedRequestError(ProblemError):
    """The request cannot be understood."""

    status, kind, title = 400, "malformed-request", "Malformed request"


class NotFoundError(ProblemError):
    """No such route, or no such object in S3."""

    status, kind, title = 404, "not-found", "Not found"


class MethodNotAllowedError(ProblemError):
    """The route exists, with other methods."""

    status, kind, title = 405, "method-not-allowed", "Method not allowed"

    def __init__(self, detail: str, allow: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allow = allow


class ImageTooLargeError(ProblemError):
    """More bytes or pixels than the settings allow."""

    status, kind, title = 413, "image-too-large", "Image too large"

    @classmethod
    def over(cls, max_bytes: int) -> "ImageTooLargeError":
        """The problem of an encoded photo of more than `max_bytes`."""
        return cls(f"The image has more than {max_bytes:,} bytes: send a smaller one.")


class UnsupportedImageTypeError(ProblemError):
    """The bytes are not of an image format that is taken here."""

    status, kind, title = 415, "unsupported-image-type", "Unsupported image type"


class UndecodableImageError(ProblemError):
    """The bytes claim to be an image, and cannot be decoded."""

    status, kind, title = 422, "undecodable-image", "Undecodable image"


class UrlRefusedError(ProblemError):
    """The URL is one that this service does not open."""

    status, kind, title = 422, "url-refused", "URL refused"


class FetchFailedError(ProblemError):
    """The server behind the URL failed."""

    status, kind, title = 502, "fetch-failed", "Fetch failed"


class FetchTimeoutError(ProblemError):
    """The server behind the URL was too slow."""

    status, kind, title = 504, "fetch-timeout", "Fetch timed out"
