"""LiteRT through its C library with ctypes: no NumPy, and nothing of LiteRT's Python package.

Function signatures, structures and numbers come from the headers of google-ai-edge/LiteRT (v2.2.0, folder litert/c/);
each is marked with its header.
"""

import contextlib
import ctypes
import functools
import math
import mmap
from collections.abc import Iterator
from ctypes import POINTER, byref, c_bool, c_char_p, c_float, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import Any, Final, TypeVar

from serve.model import c_stderr
from serve.model.interpreter import Interpreter, Tensor

# LiteRtStatus of litert_common.h, without kLiteRtStatusError
_STATUS: Final = {
    1: "InvalidArgument", 2: "MemoryAllocationFailure", 3: "RuntimeFailure", 4: "MissingInputTensor", 5: "Unsupported",
    6: "NotFound", 7: "TimeoutExpired", 8: "WrongVersion", 9: "Unknown", 10: "AlreadyExists", 100: "Cancelled",
    500: "FileIO", 501: "InvalidFlatbuffer", 502: "DynamicLoading", 503: "Serialization", 504: "Compilation",
    1000: "IndexOOB", 1001: "InvalidIrType", 1002: "InvalidGraphInvariant", 1003: "GraphModification",
}  # fmt: skip

_CPU: Final = 1  # litert_common.h: kLiteRtHwAcceleratorCpu
_LOCK_TO_READ, _LOCK_TO_WRITE = 0, 1  # litert_common.h: LiteRtTensorBufferLockMode
_INTEGER: Final = 2  # litert_any.h: kLiteRtAnyTypeInt
_ACCELERATORS_TO_REGISTER, _MINIMUM_LOG_SEVERITY = 24, 25  # litert_environment_options.h: LiteRtEnvOptionTag
_ERROR: Final = 3  # internal/litert_logging.h: kLiteRtLogSeverityError
# LiteRtElementType of litert_model_types.h
_ELEMENT_TYPES: Final = {1: "float32", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8", 10: "float16"}

_REMEDY: Final = "Install the ai-edge-litert of requirements/serve.txt"
_T = TypeVar("_T", c_void_p, c_size_t, "_TensorType")


class _Any(ctypes.Structure):
    """litert_any.h: LiteRtAny, when it holds an integer."""

    _fields_ = (("type", c_int), ("value", ctypes.c_int64))


class _EnvironmentOption(ctypes.Structure):
    """litert_environment_options.h: LiteRtEnvOption."""

    _fields_ = (("tag", c_int), ("value", _Any))


class _Layout(ctypes.Structure):
    """litert_layout.h: LiteRtLayout."""

    _fields_ = (
        ("rank", ctypes.c_uint, 7),
        ("has_strides", ctypes.c_uint, 1),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class _TensorType(ctypes.Structure):
    """litert_model_types.h: LiteRtRankedTensorType."""

    _fields_ = (("element_type", c_int), ("layout", _Layout))

    def tensor(self) -> Tensor:
        """Element type and shape as Python values."""
        name = _ELEMENT_TYPES.get(self.element_type, f"element type {self.element_type}")
        return name, tuple(self.layout.dimensions[: self.layout.rank])

    def size(self) -> int:
        """The size in bytes of a uint8 or float32 tensor."""
        name, shape = self.tensor()
        return math.prod(shape) * (4 if name == "float32" else 1)


# Without the first option LiteRT writes its progress to stderr, without the second it looks for GPUs.
_ENVIRONMENT: Final = (_EnvironmentOption * 2)(
    _EnvironmentOption(_MINIMUM_LOG_SEVERITY, _Any(_INTEGER, _ERROR)),
    _EnvironmentOption(_ACCELERATORS_TO_REGISTER, _Any(_INTEGER, _CPU)),
)
_Destructor = ctypes.CFUNCTYPE(None, c_void_p)
_KEEP: Final = _Destructor(lambda _: None)  # for a payload whose memory Python frees
_HandleOut, _SizeOut = POINTER(c_void_p), POINTER(c_size_t)

# Argument types by name. LiteRtDestroy... returns nothing; every other function returns a LiteRtStatus.
_FUNCTIONS: Final[dict[str, tuple[Any, ...]]] = {
    # litert_environment.h
    "LiteRtCreateEnvironment": (c_int, POINTER(_EnvironmentOption), _HandleOut),
    "LiteRtDestroyEnvironment": (c_void_p,),
    # litert_model.h
    "LiteRtCreateModelFromBuffer": (c_void_p, c_char_p, c_size_t, _HandleOut),
    "LiteRtDestroyModel": (c_void_p,),
    "LiteRtGetModelSignature": (c_void_p, c_size_t, _HandleOut),
    "LiteRtGetNumSignatureInputs": (c_void_p, _SizeOut),
    "LiteRtGetNumSignatureOutputs": (c_void_p, _SizeOut),
    "LiteRtGetSignatureInputTensorByIndex": (c_void_p, c_size_t, _HandleOut),
    "LiteRtGetSignatureOutputTensorByIndex": (c_void_p, c_size_t, _HandleOut),
    "LiteRtGetRankedTensorType": (c_void_p, POINTER(_TensorType)),
    # litert_options.h, litert_opaque_options.h
    "LiteRtCreateOptions": (_HandleOut,),
    "LiteRtDestroyOptions": (c_void_p,),
    "LiteRtSetOptionsHardwareAccelerators": (c_void_p, c_int),
    "LiteRtCreateOpaqueOptions": (c_char_p, c_char_p, _Destructor, _HandleOut),
    "LiteRtAddOpaqueOptions": (c_void_p, c_void_p),
    # litert_compiled_model.h
    "LiteRtCreateCompiledModel": (c_void_p, c_void_p, c_void_p, _HandleOut),
    "LiteRtDestroyCompiledModel": (c_void_p,),
    "LiteRtGetCompiledModelInputBufferRequirements": (c_void_p, c_size_t, c_size_t, _HandleOut),
    "LiteRtGetCompiledModelOutputBufferRequirements": (c_void_p, c_size_t, c_size_t, _HandleOut),
    "LiteRtGetCompiledModelOutputTensorLayouts": (c_void_p, c_size_t, c_size_t, POINTER(_Layout), c_bool),
    "LiteRtRunCompiledModel": (c_void_p, c_size_t, c_size_t, _HandleOut, c_size_t, _HandleOut),
    # litert_tensor_buffer.h
    "LiteRtCreateManagedTensorBufferFromRequirements": (c_void_p, POINTER(_TensorType), c_void_p, _HandleOut),
    "LiteRtDestroyTensorBuffer": (c_void_p,),
    "LiteRtGetTensorBufferSize": (c_void_p, _SizeOut),
    "LiteRtGetTensorBufferPackedSize": (c_void_p, _SizeOut),
    "LiteRtLockTensorBuffer": (c_void_p, _HandleOut, c_int),
    "LiteRtUnlockTensorBuffer": (c_void_p,),
    # litert_model.h; never called. The library does not export its version. It has this function since 2.1.6, the
    # release that added the first argument of LiteRtCreateModelFromBuffer.
    "LiteRtCreateModelFromFd": (c_void_p, c_int, c_size_t, c_size_t, _HandleOut),
}


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
            lite.LiteRtDestroyEnvironment, lite.LiteRtCreateEnvironment, len(_ENVIRONMENT), _ENVIRONMENT
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

    def _tensor_types(self, model: c_void_p) -> tuple[list[_TensorType], list[_TensorType]]:
        """The types of the inputs, and of the outputs, in the model's first signature."""
        lite = self._library
        signature = _out(c_void_p, lite.LiteRtGetModelSignature, model, 0)

        def types(count: Any, tensor: Any) -> list[_TensorType]:
            tensors = [_out(c_void_p, tensor, signature, i) for i in range(_out(c_size_t, count, signature).value)]
            return [_out(_TensorType, lite.LiteRtGetRankedTensorType, each) for each in tensors]

        return (
            types(lite.LiteRtGetNumSignatureInputs, lite.LiteRtGetSignatureInputTensorByIndex),
            types(lite.LiteRtGetNumSignatureOutputs, lite.LiteRtGetSignatureOutputTensorByIndex),
        )

    def _compile(self, environment: c_void_p, model: c_void_p, num_threads: int, num_outputs: int) -> None:
        lite = self._library
        options = self._owned(lite.LiteRtDestroyOptions, lite.LiteRtCreateOptions)
        lite.LiteRtSetOptionsHardwareAccelerators(options, _CPU)
        # Identifier and text (TOML) as in options/litert_cpu_options.cc, whose functions the library does not export.
        self._cpu_options = f"num_threads = {num_threads}\n".encode()
        cpu_options = _out(c_void_p, lite.LiteRtCreateOpaqueOptions, b"xnnpack", self._cpu_options, _KEEP)
        lite.LiteRtAddOpaqueOptions(options, cpu_options)  # `options` owns and destroys them
        self._model = self._owned(
            lite.LiteRtDestroyCompiledModel, lite.LiteRtCreateCompiledModel, environment, model, options
        )
        # Allocate the tensors now, so that an unsupported operation is an error here and not at the first photo.
        layouts = (_Layout * num_outputs)()
        lite.LiteRtGetCompiledModelOutputTensorLayouts(self._model, 0, num_outputs, layouts, True)  # noqa: FBT003

    def _buffer(self, environment: c_void_p, requirements_of: Any, place: int, tensor_type: _TensorType) -> c_void_p:
        """A buffer for the input or the output at a place.

        Raises:
            ValueError: the library and this module disagree about the structures above.
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
        with self._locked(self._input, _LOCK_TO_WRITE) as address:
            ctypes.memmove(address, content, len(content))
        lite.LiteRtRunCompiledModel(self._model, 0, 1, byref(self._input), len(self._outputs), self._outputs)
        return self._read(self._row_place)

    def _read(self, place: int) -> tuple[float, ...]:
        with self._locked(self._outputs[place], _LOCK_TO_READ) as address:
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
        for name, argument_types in _FUNCTIONS.items():
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
        raise _StatusError(f"{function.__name__} returned {status} ({_STATUS.get(status, 'an unknown status')})")


def _unusable(model_path: Path, error: _StatusError, complaints: str) -> ValueError:
    details = " ".join([str(error), *(line for line in complaints.splitlines() if line.startswith("ERROR"))])
    return ValueError(
        f"{model_path}: is damaged, is not a .tflite model, or has an operation that LiteRT does not support "
        f"({details}); make the file with `python -m convert`"
    )
