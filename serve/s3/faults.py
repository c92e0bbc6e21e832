"""Which errors of S3 pass, and which stay.

A `ProblemError` is final: the object is gone, say, or archived. A `TransientFaultError` is retried, because it can pass
or the deployer can mend it: throttling, time-outs, refused permissions.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from serve.errors import MalformedRequestError, NotFoundError, ProblemError, UnreadableObjectError

Problem = tuple[type[ProblemError], str]

NOT_FOUND: Final[Problem] = NotFoundError, "S3 has no such object. It may have been deleted."
_NO_NAME: Final[Problem] = MalformedRequestError, "S3 cannot have a bucket or an object of that name."
# What S3 answers about an object, however often it is asked: "Error responses" in the Amazon S3 API Reference.
FINAL: Final[Mapping[str, Problem]] = {
    "NoSuchKey": NOT_FOUND,
    "NoSuchVersion": NOT_FOUND,
    "MethodNotAllowed": NOT_FOUND,  # of a version that is a delete marker: "Working with delete markers"
    "NoSuchBucket": (NotFoundError, "S3 has no such bucket."),
    "NoSuchAccessPoint": (NotFoundError, "S3 has no such access point."),
    "InvalidBucketName": _NO_NAME,
    "InvalidURI": _NO_NAME,
    "KeyTooLongError": _NO_NAME,
    "InvalidObjectState": (UnreadableObjectError, "The object is archived. Restore it in S3, then classify it again."),
}
# "Using server-side encryption with customer-provided keys" in the Amazon S3 User Guide. The code stands for other
# errors too, so the message decides.
_SSE_C: Final[Problem] = (
    UnreadableObjectError,
    "The object is encrypted with a key that only its owner has (SSE-C). Store it with another encryption.",
)


class TransientFaultError(Exception):
    """S3 cannot be used as it should, just now or as deployed: try again later."""


@contextmanager
def translated(final: Mapping[str, Problem] | None = None) -> Iterator[None]:
    """Let no exception of botocore out: it leaves as the problem beside its code in `final`, or as a transient fault.

    Args:
        final: `FINAL`, for an object that somebody asks about. None, for a request of this service's own making.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        problem = _problem(error, final) if final else None
        raise problem or TransientFaultError(str(error)) from error


def _problem(error: Exception, final: Mapping[str, Problem]) -> ProblemError | None:
    from botocore.exceptions import ParamValidationError

    if isinstance(error, ParamValidationError):
        found: Problem | None = _NO_NAME
    elif code_of(error) == "InvalidRequest" and "encryption" in str(error).lower():
        found = _SSE_C
    else:
        found = final.get(code_of(error))
    return found[0](found[1]) if found else None


def code_of(error: Exception) -> str:
    """S3's code of an error, such as "NoSuchKey"; empty if the error is not S3's."""
    from botocore.exceptions import ClientError

    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
