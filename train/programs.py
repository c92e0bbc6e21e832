"""What the programs of training, conversion and evaluation share."""

import argparse
import os
from typing import Final

_TENSORFLOW_OPTIONS: Final = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # oneDNN's kernels halve the time of a training step. Where a processor has AVX2 alone, TensorFlow leaves them off.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


def set_tensorflow_options() -> None:
    """Set each option that the user has not set. TensorFlow reads them when it is first imported."""
    for name, value in _TENSORFLOW_OPTIONS.items():
        os.environ.setdefault(name, value)


def count(text: str) -> int:
    """A number of something, of an argument."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def seed(text: str) -> int:
    """A number that random ones depend on, of an argument: NumPy takes 32 bits."""
    if not 0 <= (number := int(text)) < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to {2**32 - 1:,}")
    return number


def message(error: Exception) -> str:
    """The error in one line, for the terminal: those of the operating system begin with the name of the file."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
