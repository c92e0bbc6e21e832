"""The interpreters of tflite-runtime and of LiteRT's Python package, which both need NumPy."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from serve.model.interpreter import Interpreter, Tensor

try:
    from tflite_runtime import interpreter as package

    _RUNTIME: Final = "tflite-runtime"  # Python 3.11 on Amazon Linux 2: LiteRT's wheels need a newer glibc
except ModuleNotFoundError:
    from ai_edge_litert import interpreter as package

    _RUNTIME: Final = "ai-edge-litert"  # type: ignore[misc]


class NumpyInterpreter(Interpreter):
    """A model in a Python package's `Interpreter`.

    The package does not verify a file: a truncated one ends the process (SIGSEGV). `serve.model.model_file` refuses it
    first, because the description stands at its end.

    Args:
        model_path, num_threads: see `serve.model.interpreter.load`.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: the model does not work here.
    """

    runtime = _RUNTIME

    def __init__(self, model_path: Path, num_threads: int) -> None:
        model_path.stat()  # raises FileNotFoundError; the package would raise ValueError
        try:
            self._interpreter: Any = package.Interpreter(model_path=str(model_path), num_threads=num_threads)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            cause = " ".join(str(error).split())
            raise ValueError(
                f"{model_path}: {self.runtime} cannot load it: {cause}; make the file with `python -m convert`"
            ) from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        super().__init__(model_path, [_tensor(each) for each in inputs], [_tensor(each) for each in outputs])
        self._input, self._outputs = inputs[0], outputs

    def _run(self, content: bytes) -> tuple[float, ...]:
        pixels = np.frombuffer(content, self._input["dtype"]).reshape(self._input["shape"])
        self._interpreter.set_tensor(self._input["index"], pixels)
        self._interpreter.invoke()
        return self._read(self._row_place)

    def _read(self, place: int) -> tuple[float, ...]:
        return tuple(self._interpreter.get_tensor(self._outputs[place]["index"]).ravel().tolist())


def _tensor(details: dict[str, Any]) -> Tensor:
    return np.dtype(details["dtype"]).name, tuple(details["shape_signature"].tolist())
