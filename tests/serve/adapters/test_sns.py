"""SNS, straight to the function."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from serve import adapters
from serve.adapters._records import DeliverAgainError
from serve.app import App
from serve.invocation import Invocation
from tests.serve.s3_servers import UPLOADS, Proxy, refuses

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen & Rex.jpg"
Load = Callable[[str], Any]


def test_a_notification_through_a_topic_leaves_a_result(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, read_result: Load, cat_jpeg: bytes
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    adapters.answer(sample_event("sns_s3"), invocation, s3_app)
    assert read_result(KEY)["label"] == "cat"


def test_a_passing_fault_is_raised(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation, sample_event: Load
) -> None:
    s3_proxy.faults = [refuses(f"GET {UPLOADS}", 503, "SlowDown")]
    with pytest.raises(DeliverAgainError, match="SlowDown"):
        adapters.answer(sample_event("sns_s3"), invocation, s3_app)


def test_a_message_that_is_not_understood_is_raised_and_the_others_are_done_first(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    sample_event: Load,
    read_result: Load,
    cat_jpeg: bytes,
    log: Callable[[], list[Any]],
) -> None:
    """As over SQS: one line in the log, and what is not understood comes again."""
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    event = sample_event("sns_s3")
    event["Records"].insert(0, {"EventSource": "aws:sns", "Sns": {"Message": "Hello"}})
    with pytest.raises(DeliverAgainError, match=r"1 of 2 are still to do.*The message is not JSON"):
        adapters.answer(event, invocation, s3_app)
    assert read_result(KEY)["label"] == "cat"
    hello, photo = log()
    assert (hello["source"], hello["error"], photo["label"]) == ("sns", "malformed-request", "cat")
