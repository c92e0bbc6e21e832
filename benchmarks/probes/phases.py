"""When each part of a cold start was done: `python phases.py EVENT`, with the project in PYTHONPATH.

Prints the names of the parts and the moments, in seconds of the machine's monotonic clock, as JSON on the last line.
"""

import time

moments = [("Python starts", time.monotonic())]

import json  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402, F401

moments.append(("import NumPy", time.monotonic()))

from PIL import Image  # noqa: E402, F401

moments.append(("import Pillow", time.monotonic()))

import serve.model.interpreter  # noqa: E402

moments.append(("import LiteRT", time.monotonic()))

import serve.app  # noqa: E402, F401
from serve import adapters, settings  # noqa: E402, F401

moments.append(("import the rest of ours", time.monotonic()))

import lambda_function  # noqa: E402

moments.append(("load the model", time.monotonic()))

lambda_function.handler(json.loads(sys.argv[1]), None)
moments.append(("first answer", time.monotonic()))

lambda_function.handler(json.loads(sys.argv[1]), None)
moments.append(("second answer", time.monotonic()))
print(json.dumps(moments), flush=True)
