"""Run a .tflite file: the pixels of one image in, the network's numbers out, and where in the image they come from."""

import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

Tensor = tuple[str, tuple[int, ...]]
"""Element type (NumPy's name) and shape; a negative size is dynamic."""

# LiteRT's C library in the wheels of ai-edge-litert 2.3.0. The Windows wheel has one too, but its structures have had
# another layout (https://github.com/google-ai-edge/LiteRT/issues/7459), and nobody has tried it.
_LIBRARIES: Final = {"linux": "libLiteRt.so", "darwin": "libLiteRt.dylib"}

_FLOAT32: Final = struct.pack("<256f", *range(256))


class Interpreter:
    """A loaded .tflite file.

    Not safe for concurrent calls: an interpreter has one set of tensors.

    Args:
        model_path: the file, for error messages.
        inputs, outputs: its tensors.

    Attributes:
        runtime: the distribution that runs it: "ai-edge-litert" or "tflite-runtime".
        height, width: of the input, in pixels.
        num_outputs: how many numbers `run` returns.
        map_size: rows and columns of the class activation map; None: the model has none.

    Raises:
        ValueError: the model does not map one image to one row of numbers, or to such a row and its map.
    """

    runtime: str

    def __init__(self, model_path: Path, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self._input_type, self.height, self.width = _image(model_path, inputs)
        self._row_place, self._map_place = _places(model_path, outputs)
        self.num_outputs = outputs[self._row_place][1][1]
        self.map_size = None if self._map_place is None else outputs[self._map_place][1][1:3]

    def run(self, pixels: bytes) -> tuple[float, ...]:
        """The network's `num_outputs` numbers for one image.

        Args:
            pixels: uint8 RGB, row by row: height * width * 3 bytes. A float32 input gets the same values, 0.0-255.0.

        Raises:
            ValueError: `pixels` has another length.
            RuntimeError: the library reports an error.
        """
        if len(pixels) != self.height * self.width * 3:
            raise ValueError(f"{len(pixels)} bytes of pixels; the model takes {self.height} x {self.width} x 3")
        return self._run(pixels if self._input_type == "uint8" else _to_float32(pixels))

    def last_map(self) -> tuple[float, ...]:
        """The class activation map of the last `run`: row by row, at each place as many numbers as `run` returns.

        Raises:
            ValueError: the model has none.
        """
        if self._map_place is None:
            raise ValueError("the model has no class activation map")
        return self._read(self._map_place)

    def _run(self, content: bytes) -> tuple[float, ...]:
        """Copy `content` to the input, run the network, and read the row."""
        raise NotImplementedError

    def _read(self, place: int) -> tuple[float, ...]:
        """All numbers of an output, in the order of its memory."""
        raise NotImplementedError


def load(model_path: Path, num_threads: int) -> Interpreter:
    """Load a model with LiteRT's C library, or with a Python package and NumPy where that library is not installed.

    Args:
        model_path: a file made by `python -m convert`.
        num_threads: for one inference.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: no interpreter is installed.
        ValueError: the file or the library does not work here; the message names it, the cause and the remedy.
    """
    library_path = find_library()
    if library_path is None:
        from serve.model.numpy_interpreter import NumpyInterpreter

        return NumpyInterpreter(model_path, num_threads)
    from serve.model.litert import LiteRt

    return LiteRt(library_path, model_path, num_threads)


def find_library() -> str | None:
    """The path of LiteRT's C library; None: not installed. The package that holds it is not imported."""
    name = _LIBRARIES.get(sys.platform)
    paths = (os.path.join(folder, "ai_edge_litert", name) for folder in sys.path if name)  # noqa: PTH118
    return next(filter(os.path.isfile, paths), None)


def _image(model_path: Path, inputs: Sequence[Tensor]) -> tuple[str, int, int]:
    """Element type, height and width of the only input."""
    match inputs:
        case [("uint8" | "float32" as element_type, (1, height, width, 3))] if height > 0 and width > 0:
            return element_type, height, width
    raise _unfit(model_path, "takes", inputs, "one uint8 or float32 (1, height, width, 3)")


def _places(model_path: Path, outputs: Sequence[Tensor]) -> tuple[int, int | None]:
    """Which of the outputs is the row, and which the map. Converters order them as they like."""
    match sorted(enumerate(outputs), key=lambda output: len(output[1][1])):
        case [(row, ("float32", (1, numbers)))] if numbers > 0:
            return row, None
        case [(row, ("float32", (1, numbers))), (grid, ("float32", (1, height, width, depth)))] if (
            min(numbers, height, width) > 0 and depth == numbers
        ):
            return row, grid
    raise _unfit(
        model_path, "returns", outputs, "one float32 (1, numbers), with or without a (1, height, width, numbers)"
    )


def _unfit(model_path: Path, verb: str, tensors: Sequence[Tensor], expected: str) -> ValueError:
    found = " and ".join(f"{element_type} {shape}" for element_type, shape in tensors) or "nothing"
    return ValueError(
        f"{model_path}: {verb} {found}, not {expected} of fixed size; make the file with `python -m convert`"
    )


def _to_float32(pixels: bytes) -> bytes:
    """Each uint8 as a little-endian float32: for 0-255 its lower two bytes are zero, and tables give the upper two.

    This takes 0.1 ms for 160 x 160 pixels; `struct.pack` takes 1.3 ms, `array` 3.2 ms.
    """
    content = bytearray(4 * len(pixels))
    content[2::4] = pixels.translate(_FLOAT32[2::4])
    content[3::4] = pixels.translate(_FLOAT32[3::4])
    return bytes(content)
