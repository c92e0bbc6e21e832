"""The entry point on AWS Lambda: `lambda_function.handler`. Only wiring: see `serve`."""

import gc
import os
from typing import Any

# NumPy's OpenBLAS would start a thread for each processor at import. None of them would ever have work here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Imports create no garbage; skipping collection saves an eighth of the start.
gc.disable()

from serve import lazy

# Pillow's JPEG plugin imports it for a function that nobody calls here. It is a twentieth of the start.
lazy.postpone("subprocess")

from serve import adapters
from serve.app import App
from serve.invocation import from_context
from serve.settings import Settings

# Built once, while the environment starts, so that every call finds the model loaded.
app = App(Settings.from_env())
cold = True

gc.freeze()  # imported objects live as long as the process
gc.enable()


def handler(event: Any, context: Any) -> Any:
    """Detect the event type and reply in that service's format: see `serve.adapters`."""
    global cold
    invocation = from_context(context, cold_start=cold)
    cold = False
    return adapters.answer(event, invocation, app)


if __name__ == "__main__":
    from local.invoke import main

    raise SystemExit(main(handler))
