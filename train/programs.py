"""What the programs of training, conversion and evaluation share."""

import argparse
import importlib.abc
import os
import sys
from typing import Final

_TENSORFLOW_OPTIONS: Final = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # oneDNN's kernels halve the time of a training step. Where a processor has AVX2 alone, TensorFlow leaves them off.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


def prepare_tensorflow() -> None:
    """Call it before TensorFlow is first imported, which reads its options then. Those that the user has set stay."""
    for name, value in _TENSORFLOW_OPTIONS.items():
        os.environ.setdefault(name, value)
    if _HIDDEN not in sys.meta_path:
        sys.meta_path.insert(0, _HIDDEN)


class _HiddenFromKeras(importlib.abc.MetaPathFinder):
    """Hides packages that Keras imports where it finds them, and that nobody here uses through it: a third of its time.

    Everybody else gets them, and so does Keras once it is imported.
    """

    def find_spec(self, name: str, *_: object) -> None:
        spec = getattr(sys.modules.get("keras"), "__spec__", None)
        if name in ("matplotlib", "sklearn") and getattr(spec, "_initializing", False):
            raise ModuleNotFoundError(f"{name} is not for Keras", name=name)


_HIDDEN: Final = _HiddenFromKeras()


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the defaults to the help, but for those that say nothing or stand there in words."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False, []) else super()._get_help_string(action)


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
