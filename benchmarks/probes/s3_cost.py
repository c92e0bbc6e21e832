"""How much longer the first photo from S3 takes than the second: `python s3_cost.py plain|ours IMAGE_EVENT BUCKET KEY`.

"plain" is `boto3.client("s3")` and `get_object`; "ours" is the handler with {"bucket": ..., "key": ...}. The handler
answers once without S3 before both, so only the cost of S3 is left. Prints the seconds.
"""

import sys
import time
from collections.abc import Callable

import lambda_function


def plain(bucket: str, key: str) -> Callable[[], object]:
    """The documented way."""
    import boto3

    client = boto3.client("s3")

    def get() -> object:
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()

    return get


def ours(bucket: str, key: str) -> Callable[[], object]:
    """The handler, which makes its own client."""
    return lambda: lambda_function.handler({"bucket": bucket, "key": key}, None)


def main() -> None:
    """Measure."""
    import json

    way, image_event, bucket, key = sys.argv[1:]
    lambda_function.handler(json.loads(image_event), None)
    started = time.perf_counter()
    get = {"plain": plain, "ours": ours}[way](bucket, key)
    get()
    first = time.perf_counter()
    get()
    second = time.perf_counter()
    print("answer", (first - started) - (second - first), flush=True)


if __name__ == "__main__":
    main()
