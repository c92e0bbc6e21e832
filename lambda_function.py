"""The entry point on AWS Lambda: `lambda_function.handler`. Only wiring: see `serve`."""

import gc
import os
from typing import Any

# NumPy's OpenBLAS would start a thread for each processor as it is loaded, and none of them ever has work here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Nothing of what is imported is garbage: looking for some would take a twentieth of the start.
gc.disable()

from serve import adapters
from serve.app import App
from serve.invocation import from_context
from serve.settings import Settings

# Built once, while the environment starts: every call after it finds the model loaded.
app = App(Settings.from_env())
cold = True

gc.freeze()  # what is there now stays
gc.enable()


def handler(event: Any, context: Any) -> Any:
    """Answer any event that `serve.adapters` knows, in the shape that its source wants."""
    global cold
    invocation = from_context(context, cold_start=cold)
    cold = False
    return adapters.answer(event, invocation, app)


if __name__ == "__main__":
    from local.invoke import main

    raise SystemExit(main(handler))
