"""Which TFLite interpreter is installed, and how to start it."""

from pathlib import Path
from typing import Any, Final

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter

    NAME: Final = "ai-edge-litert"
except ModuleNotFoundError:  # Python 3.11 on Amazon Linux 2: LiteRT's wheels need a newer glibc
    from tflite_runtime.interpreter import Interpreter

    NAME: Final = "tflite-runtime"  # type: ignore[misc]


class Runner:
    """A loaded .tflite file with one input of shape (1, height, width, 3) and one output of one number.

    Not safe for concurrent calls: an interpreter has one set of tensors.

    Attributes:
        height, width: of the input, in pixels.
        input_dtype: uint8, or float32 (of raw values 0-255 all the same).

    Raises:
        ValueError: the file is not a TFLite model, or not one of such a shape.
    """

    def __init__(self, model_path: Path, num_threads: int) -> None:
        self._interpreter: Any = Interpreter(model_path=str(model_path), num_threads=num_threads)
        self._interpreter.allocate_tensors()
        (inputs,), (outputs,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shape = tuple(int(side) for side in inputs["shape"])
        if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or inputs["dtype"] not in (np.uint8, np.float32):
            raise ValueError(
                f"{model_path}: takes {inputs['dtype']} {shape}, not uint8 or float32 (1, height, width, 3)"
            )
        self.height, self.width = shape[1:3]
        self.input_dtype: type[np.generic] = inputs["dtype"]
        self._input, self._output = inputs["index"], outputs["index"]

    def run(self, pixels: bytes) -> float:
        """The network's output for RGB pixels 0-255, one byte a channel, row by row."""
        image = np.frombuffer(pixels, np.uint8).reshape(1, self.height, self.width, 3)
        self._interpreter.set_tensor(self._input, image.astype(self.input_dtype, copy=False))
        self._interpreter.invoke()
        return float(self._interpreter.get_tensor(self._output).item())
