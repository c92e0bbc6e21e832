"""Answer one event in a bare process: `python cold_ours.py EVENT`, with the project in PYTHONPATH."""

import json
import sys

import lambda_function

print("answer", json.dumps(lambda_function.handler(json.loads(sys.argv[1]), None)), flush=True)
