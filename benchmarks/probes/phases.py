"""When each part of a cold start ends: `python phases.py EVENT`, with the project in PYTHONPATH.

The last line of its output is JSON: pairs of a part's name and the moment in seconds of the machine's monotonic clock.
"""

import time

moments = [("Python starts", time.monotonic())]

import json  # noqa: E402
import sys  # noqa: E402

from PIL import Image  # noqa: E402, F401

moments.append(("import Pillow", time.monotonic()))

import serve.app  # noqa: E402, F401
from serve import adapters, settings  # noqa: E402, F401

moments.append(("import serve", time.monotonic()))

import lambda_function  # noqa: E402

moments.append(("load LiteRT and the model", time.monotonic()))

lambda_function.handler(json.loads(sys.argv[1]), None)
moments.append(("first answer", time.monotonic()))

lambda_function.handler(json.loads(sys.argv[1]), None)
moments.append(("second answer", time.monotonic()))
print(json.dumps(moments), flush=True)
