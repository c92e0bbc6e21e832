"""LiteRT through its C library with ctypes: no NumPy, and nothing of LiteRT's Python package."""

import contextlib
import ctypes
import functools
import math
import mmap
from collections.abc import Iterator
from ctypes import byref, c_float, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import Any, Final, TypeVar

from serve.model import c_stderr
from serve.model import litert_abi as abi
from serve.model.interpreter import Interpreter

_REMEDY: Final = "Install the ai-edge-litert of requirements/serve.txt"
_T = TypeVar("_T", c_void_p, c_size_t, abi.TensorType)


class LiteRt(Interpreter):
    """A model in LiteRT, on the CPU.

    Args:
        library_path: the C library of ai-edge-litert 2.1.6 or later.
        model_path, num_threads: see `serve.model.interpreter.load`.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: the library or the model does not work here.
    """

    runtime = "ai-edge-litert"

    def __init__(self, library_path: str, model_path: Path, num_threads: int) -> None:
        self._handles = contextlib.ExitStack()
        self._library_path, self._library = library_path, _library(library_path)
        file = _map(model_path)
        self._content = (ctypes.c_char * len(file)).from_buffer(file)
        with c_stderr.collect() as complaints:
            try:
                self._open(model_path, num_threads)
            except _StatusError as error:
                raise _unusable(model_path, error, complaints()) from error
        # The library has packed the weights elsewhere. Should it read a page again, that comes from the file.
        file.madvise(mmap.MADV_DONTNEED)

    def __del__(self) -> None:
        self._handles.close()

    def _open(self, model_path: Path, num_threads: int) -> None:
        lite = self._library
        environment = self._owned(
            lite.LiteRtDestroyEnvironment, lite.LiteRtCreateEnvironment, len(abi.ENVIRONMENT), abi.ENVIRONMENT
        )
        model = self._owned(
            lite.LiteRtDestroyModel, lite.LiteRtCreateModelFromBuffer, environment, self._content, len(self._content)
        )
        inputs, outputs = self._tensor_types(model)
        super().__init__(model_path, [each.tensor() for each in inputs], [each.tensor() for each in outputs])
        self._compile(environment, model, num_threads, len(outputs))
        self._input = self._buffer(environment, lite.LiteRtGetCompiledModelInputBufferRequirements, 0, inputs[0])
        get = lite.LiteRtGetCompiledModelOutputBufferRequirements
        self._outputs = (c_void_p * len(outputs))(
            *(self._buffer(environment, get, *output) for output in enumerate(outputs))
        )
        self._lengths = [math.prod(each.tensor()[1]) for each in outputs]

    def _owned(self, destroy: Any, create: Any, *arguments: Any) -> c_void_p:
        """Create a handle; it is destroyed with this object, after those that were created later."""
        handle = _out(c_void_p, create, *arguments)
        self._handles.callback(destroy, handle)
        return handle

    def _tensor_types(self, model: c_void_p) -> tuple[list[abi.TensorType], list[abi.TensorType]]:
        """The types of the inputs, and of the outputs, in the model's first signature."""
        lite = self._library
        signature = _out(c_void_p, lite.LiteRtGetModelSignature, model, 0)

        def types(count: Any, tensor: Any) -> list[abi.TensorType]:
            tensors = [_out(c_void_p, tensor, signature, i) for i in range(_out(c_size_t, count, signature).value)]
            return [_out(abi.TensorType, lite.LiteRtGetRankedTensorType, each) for each in tensors]

        return (
            types(lite.LiteRtGetNumSignatureInputs, lite.LiteRtGetSignatureInputTensorByIndex),
            types(lite.LiteRtGetNumSignatureOutputs, lite.LiteRtGetSignatureOutputTensorByIndex),
        )

    def _compile(self, environment: c_void_p, model: c_void_p, num_threads: int, num_outputs: int) -> None:
        lite = self._library
        options = self._owned(lite.LiteRtDestroyOptions, lite.LiteRtCreateOptions)
        lite.LiteRtSetOptionsHardwareAccelerators(options, abi.CPU)
        # Identifier and text (TOML) as in options/litert_cpu_options.cc, whose functions the library does not export.
        self._cpu_options = f"num_threads = {num_threads}\n".encode()
        cpu_options = _out(c_void_p, lite.LiteRtCreateOpaqueOptions, b"xnnpack", self._cpu_options, abi.KEEP)
        lite.LiteRtAddOpaqueOptions(options, cpu_options)  # `options` owns and destroys them
        self._model = self._owned(
            lite.LiteRtDestroyCompiledModel, lite.LiteRtCreateCompiledModel, environment, model, options
        )
        # Allocate the tensors now, so that an unsupported operation is an error here and not at the first photo.
        layouts = (abi.Layout * num_outputs)()
        lite.LiteRtGetCompiledModelOutputTensorLayouts(self._model, 0, num_outputs, layouts, True)  # noqa: FBT003

    def _buffer(self, environment: c_void_p, requirements_of: Any, place: int, tensor_type: abi.TensorType) -> c_void_p:
        """A buffer for the input or the output at a place.

        Raises:
            ValueError: the library and this module disagree about the structures of `litert_abi`.
        """
        lite = self._library
        requirements = _out(c_void_p, requirements_of, self._model, 0, place)
        create = lite.LiteRtCreateManagedTensorBufferFromRequirements
        buffer = self._owned(lite.LiteRtDestroyTensorBuffer, create, environment, tensor_type, requirements)
        packed = _out(c_size_t, lite.LiteRtGetTensorBufferPackedSize, buffer).value
        size = _out(c_size_t, lite.LiteRtGetTensorBufferSize, buffer).value
        if not tensor_type.size() == packed <= size:
            raise ValueError(
                f"{self._library_path}: counts {packed} bytes, in a buffer of {size}, for {tensor_type.tensor()}; "
                f"its ABI is another. {_REMEDY}"
            )
        return buffer

    def _run(self, content: bytes) -> tuple[float, ...]:
        lite = self._library
        with self._locked(self._input, abi.LOCK_TO_WRITE) as address:
            ctypes.memmove(address, content, len(content))
        lite.LiteRtRunCompiledModel(self._model, 0, 1, byref(self._input), len(self._outputs), self._outputs)
        return self._read(self._row_place)

    def _read(self, place: int) -> tuple[float, ...]:
        with self._locked(self._outputs[place], abi.LOCK_TO_READ) as address:
            return tuple((c_float * self._lengths[place]).from_address(address))

    @contextlib.contextmanager
    def _locked(self, buffer: c_void_p | int | None, mode: int) -> Iterator[int]:
        """The address of a buffer's memory."""
        address = c_void_p()
        self._library.LiteRtLockTensorBuffer(buffer, byref(address), mode)
        try:
            yield address.value or 0
        finally:
            self._library.LiteRtUnlockTensorBuffer(buffer)


@functools.cache
def _library(path: str) -> ctypes.CDLL:
    """The library, with its functions declared.

    Raises:
        ValueError: it cannot be loaded, or lacks a function.
    """
    try:
        library = ctypes.CDLL(path)
        for name, argument_types in abi.FUNCTIONS.items():
            function = getattr(library, name)
            function.argtypes = argument_types
            function.restype = None if name.startswith("LiteRtDestroy") else c_int
            function.errcheck = _check
    except (OSError, AttributeError) as error:
        raise ValueError(f"{error}. {_REMEDY}") from error
    return library


def _map(path: Path) -> mmap.mmap:
    """Map a file into memory, which takes 3 ms less than reading the shipped model.

    LiteRtCreateModelFromFile maps it too, but does not verify it: a truncated file ends the process (SIGSEGV, 2.3.0).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty.
    """
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # ctypes takes no read-only buffer
        except ValueError as error:
            raise ValueError(f"{path}: is empty; make the file with `python -m convert`") from error


def _out(kind: type[_T], function: Any, *arguments: Any) -> _T:
    """Call a function that writes its result through its last argument; return the result."""
    result = kind()
    function(*arguments, byref(result))
    return result


class _StatusError(RuntimeError):
    """A function returned a status other than kLiteRtStatusOk."""


def _check(status: int | None, function: Any, _arguments: tuple[Any, ...]) -> None:
    if status:
        raise _StatusError(f"{function.__name__} returned {status} ({abi.STATUS.get(status, 'an unknown status')})")


def _unusable(model_path: Path, error: _StatusError, complaints: str) -> ValueError:
    details = " ".join([str(error), *(line for line in complaints.splitlines() if line.startswith("ERROR"))])
    return ValueError(
        f"{model_path}: is damaged, is not a .tflite model, or has an operation that LiteRT does not support "
        f"({details}); make the file with `python -m convert`"
    )
