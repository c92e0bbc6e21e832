"""S3 notifications, answered in the few lines that people write, by the `predictor` of the working directory."""

import json
import os
from typing import Any
from urllib.parse import unquote_plus

import boto3
from predictor import predict_bytes

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Classify each photo, and write the result beside the others."""
    results = []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        result = predict_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        s3.put_object(Bucket=os.environ["RESULTS_BUCKET"], Key=f"{bucket}/{key}.json", Body=json.dumps(result))
        results.append(result)
    return {"results": results}
