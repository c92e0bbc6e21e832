"""LiteRT's C library in as few lines as it can be run: for the floors, so it shares no code with `serve`.

Nothing is checked and nothing is released. Numbers and structures: google-ai-edge/LiteRT, folder litert/c/.
"""

import ctypes
import os.path
import sys
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
from typing import Any

_CPU, _READ, _WRITE = 1, 0, 1


class _Option(ctypes.Structure):
    """litert_environment_options.h: LiteRtEnvOption with an integer (type 2)."""

    _fields_ = (("tag", c_int), ("type", c_int64), ("value", c_int64))


class _TensorType(ctypes.Structure):
    """litert_model_types.h: LiteRtRankedTensorType."""

    _fields_ = (("element", c_int), ("rank", c_int), ("dimensions", c_int * 8), ("strides", c_int * 8))


# Tag 25: the least severity of a log line, 3 for errors; tag 24: the accelerators to register.
_QUIET_CPU = (_Option * 2)(_Option(25, 2, 3), _Option(24, 2, _CPU))
_Destructor = ctypes.CFUNCTYPE(None, c_void_p)
_KEEP = _Destructor(lambda _: None)


class Network:
    """A network with one input and one or more float32 outputs, one of them (1, 1), on one thread."""

    def __init__(self, model_path: str) -> None:
        # os.path and not pathlib, whose import would make the floor higher.
        paths = (os.path.join(entry, "ai_edge_litert", "libLiteRt.so") for entry in sys.path)  # noqa: PTH118
        self._lite = ctypes.CDLL(next(path for path in paths if os.path.isfile(path)))  # noqa: PTH113
        environment = self._made("LiteRtCreateEnvironment", c_int(2), _QUIET_CPU)
        self._model = self._compiled(environment, self._loaded(environment, model_path))
        self._given = self._buffer(environment, "Input", 0, self._input)
        found = [self._buffer(environment, "Output", place, kind) for place, kind in enumerate(self._outputs)]
        self._found = (c_void_p * len(found))(*(buffer.value for buffer in found))
        self._answer = found[[kind.rank & 127 for kind in self._outputs].index(2)]

    def _buffer(self, environment: c_void_p, side: str, place: int, kind: _TensorType) -> c_void_p:
        name = f"LiteRtGetCompiledModel{side}BufferRequirements"
        requirements = self._made(name, self._model, c_size_t(0), c_size_t(place))
        return self._made("LiteRtCreateManagedTensorBufferFromRequirements", environment, byref(kind), requirements)

    def _made(self, function: str, *arguments: Any) -> c_void_p:
        """The handle that a function writes through its last argument."""
        handle = c_void_p()
        getattr(self._lite, function)(*arguments, byref(handle))
        return handle

    def _loaded(self, environment: c_void_p, model_path: str) -> c_void_p:
        model = self._made("LiteRtCreateModelFromFile", environment, c_char_p(model_path.encode()))
        signature = self._made("LiteRtGetModelSignature", model, c_size_t(0))
        count = c_size_t()
        self._lite.LiteRtGetNumSignatureOutputs(signature, byref(count))
        self._input, self._outputs = _TensorType(), [_TensorType() for _ in range(count.value)]
        tensors = (("Input", 0, self._input), *(("Output", place, kind) for place, kind in enumerate(self._outputs)))
        for side, place, kind in tensors:
            tensor = self._made(f"LiteRtGetSignature{side}TensorByIndex", signature, c_size_t(place))
            self._lite.LiteRtGetRankedTensorType(tensor, byref(kind))
        return model

    def _compiled(self, environment: c_void_p, model: c_void_p) -> c_void_p:
        options = self._made("LiteRtCreateOptions")
        self._lite.LiteRtSetOptionsHardwareAccelerators(options, _CPU)
        threads = self._made("LiteRtCreateOpaqueOptions", b"xnnpack", b"num_threads = 1\n", _KEEP)
        self._lite.LiteRtAddOpaqueOptions(options, threads)
        return self._made("LiteRtCreateCompiledModel", environment, model, options)

    @property
    def side(self) -> int:
        """Width and height of the input in pixels; the input is square, RGB."""
        return int(self._input.dimensions[1])

    def run(self, pixels: bytes) -> float:
        """The answer for the bytes of the input tensor."""
        address = c_void_p()
        self._lite.LiteRtLockTensorBuffer(self._given, byref(address), _WRITE)
        ctypes.memmove(address, pixels, len(pixels))
        self._lite.LiteRtUnlockTensorBuffer(self._given)
        sizes = c_size_t(1), c_size_t(len(self._found))
        self._lite.LiteRtRunCompiledModel(self._model, c_size_t(0), sizes[0], byref(self._given), sizes[1], self._found)
        self._lite.LiteRtLockTensorBuffer(self._answer, byref(address), _READ)
        value = float(ctypes.cast(address, POINTER(c_float))[0])
        self._lite.LiteRtUnlockTensorBuffer(self._answer)
        return value
