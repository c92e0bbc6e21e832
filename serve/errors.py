"""The problems that a client can mend, each with its HTTP status and its RFC 9457 problem type.

Any other exception is a bug. `detail` is public: it says what to do and reveals no internals.
"""

from typing import ClassVar, Final

INTERNAL_ERROR: Final = {
    "type": "urn:problem-type:internal-error",
    "title": "Internal error",
    "status": 500,
    "detail": "The service failed. Your request was not the cause: try again later.",
}
"""The problem object that a client gets when its request meets a bug."""


class ProblemError(Exception):
    """The base of every problem here.

    Attributes:
        detail: for the client.
        found: what the service saw, for the log alone; may be empty.
    """

    status: ClassVar[int]
    kind: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, found: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.found = found

    def problem(self) -> dict[str, object]:
        """The problem object of RFC 9457, section 3."""
        return {
            "type": f"urn:problem-type:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }


class MalformedRequestError(ProblemError):
    """The request is malformed."""

    status, kind, title = 400, "malformed-request", "Malformed request"


class NotFoundError(ProblemError):
    """The route does not exist, or the object is not in S3."""

    status, kind, title = 404, "not-found", "Not found"


class UnreadableObjectError(ProblemError):
    """S3 has the object in a state in which this service cannot read it (RFC 9110, section 15.5.10)."""

    status, kind, title = 409, "unreadable-object", "Unreadable object"


class MethodNotAllowedError(ProblemError):
    """The route exists, with other methods."""

    status, kind, title = 405, "method-not-allowed", "Method not allowed"

    def __init__(self, detail: str, allow: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allow = allow


class ImageTooLargeError(ProblemError):
    """The image has more bytes or pixels than the settings allow."""

    status, kind, title = 413, "image-too-large", "Image too large"

    @classmethod
    def over(cls, max_bytes: int) -> "ImageTooLargeError":
        """The problem of an encoded photo of more than `max_bytes`."""
        return cls(f"The image has more than {max_bytes:,} bytes. Send a smaller one.")


class UnsupportedImageTypeError(ProblemError):
    """The bytes are not in an image format that the service accepts."""

    status, kind, title = 415, "unsupported-image-type", "Unsupported image type"


class UndecodableImageError(ProblemError):
    """The bytes begin like an image and cannot be decoded."""

    status, kind, title = 422, "undecodable-image", "Undecodable image"


class NoExplanationError(ProblemError):
    """The model cannot explain its answers."""

    status, kind, title = 422, "no-explanation", "No explanation"

    def __init__(self) -> None:
        super().__init__(
            "The model file has no class activation map. Ask without `explain`, or convert the model again."
        )


class UrlRefusedError(ProblemError):
    """The service does not open this URL."""

    status, kind, title = 422, "url-refused", "URL refused"


class FetchFailedError(ProblemError):
    """The server behind the URL failed."""

    status, kind, title = 502, "fetch-failed", "Fetch failed"


class FetchTimeoutError(ProblemError):
    """The server behind the URL was too slow."""

    status, kind, title = 504, "fetch-timeout", "Fetch timed out"
