"""Options of TensorFlow that it reads from the environment, once, when it is first imported."""

import os
from typing import Final

_OPTIONS: Final = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # oneDNN's kernels halve the time of a training step. Where a processor has AVX2 alone, TensorFlow leaves them off.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


def set_defaults() -> None:
    """Set each option that the user has not set."""
    for name, value in _OPTIONS.items():
        os.environ.setdefault(name, value)
