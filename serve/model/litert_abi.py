"""The C interface of LiteRT: its structures, numbers and functions.

They come from the headers of google-ai-edge/LiteRT (v2.2.0, folder litert/c/); each is marked with its header.
"""

import ctypes
import math
from ctypes import POINTER, c_bool, c_char_p, c_int, c_size_t, c_void_p
from typing import Any, Final

from serve.model.interpreter import Tensor

# LiteRtStatus of litert_common.h, without kLiteRtStatusError
STATUS: Final = {
    1: "InvalidArgument", 2: "MemoryAllocationFailure", 3: "RuntimeFailure", 4: "MissingInputTensor", 5: "Unsupported",
    6: "NotFound", 7: "TimeoutExpired", 8: "WrongVersion", 9: "Unknown", 10: "AlreadyExists", 100: "Cancelled",
    500: "FileIO", 501: "InvalidFlatbuffer", 502: "DynamicLoading", 503: "Serialization", 504: "Compilation",
    1000: "IndexOOB", 1001: "InvalidIrType", 1002: "InvalidGraphInvariant", 1003: "GraphModification",
}  # fmt: skip

CPU: Final = 1  # litert_common.h: kLiteRtHwAcceleratorCpu
LOCK_TO_READ, LOCK_TO_WRITE = 0, 1  # litert_common.h: LiteRtTensorBufferLockMode
INTEGER: Final = 2  # litert_any.h: kLiteRtAnyTypeInt
ACCELERATORS_TO_REGISTER, MINIMUM_LOG_SEVERITY = 24, 25  # litert_environment_options.h: LiteRtEnvOptionTag
ERROR: Final = 3  # internal/litert_logging.h: kLiteRtLogSeverityError
# LiteRtElementType of litert_model_types.h
ELEMENT_TYPES: Final = {1: "float32", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8", 10: "float16"}


class AnyValue(ctypes.Structure):
    """litert_any.h: LiteRtAny, when it holds an integer."""

    _fields_ = (("type", c_int), ("value", ctypes.c_int64))


class EnvironmentOption(ctypes.Structure):
    """litert_environment_options.h: LiteRtEnvOption."""

    _fields_ = (("tag", c_int), ("value", AnyValue))


class Layout(ctypes.Structure):
    """litert_layout.h: LiteRtLayout."""

    _fields_ = (
        ("rank", ctypes.c_uint, 7),
        ("has_strides", ctypes.c_uint, 1),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    )


class TensorType(ctypes.Structure):
    """litert_model_types.h: LiteRtRankedTensorType."""

    _fields_ = (("element_type", c_int), ("layout", Layout))

    def tensor(self) -> Tensor:
        """Element type and shape as Python values."""
        name = ELEMENT_TYPES.get(self.element_type, f"element type {self.element_type}")
        return name, tuple(self.layout.dimensions[: self.layout.rank])

    def size(self) -> int:
        """The size in bytes of a uint8 or float32 tensor."""
        name, shape = self.tensor()
        return math.prod(shape) * (4 if name == "float32" else 1)


# Without the first option LiteRT writes its progress to stderr, without the second it looks for GPUs.
ENVIRONMENT: Final = (EnvironmentOption * 2)(
    EnvironmentOption(MINIMUM_LOG_SEVERITY, AnyValue(INTEGER, ERROR)),
    EnvironmentOption(ACCELERATORS_TO_REGISTER, AnyValue(INTEGER, CPU)),
)
Destructor = ctypes.CFUNCTYPE(None, c_void_p)
KEEP: Final = Destructor(lambda _: None)  # for a payload whose memory Python frees
HandleOut, SizeOut = POINTER(c_void_p), POINTER(c_size_t)

# Argument types by name. LiteRtDestroy... returns nothing; every other function returns a LiteRtStatus.
FUNCTIONS: Final[dict[str, tuple[Any, ...]]] = {
    # litert_environment.h
    "LiteRtCreateEnvironment": (c_int, POINTER(EnvironmentOption), HandleOut),
    "LiteRtDestroyEnvironment": (c_void_p,),
    # litert_model.h
    "LiteRtCreateModelFromBuffer": (c_void_p, c_char_p, c_size_t, HandleOut),
    "LiteRtDestroyModel": (c_void_p,),
    "LiteRtGetModelSignature": (c_void_p, c_size_t, HandleOut),
    "LiteRtGetNumSignatureInputs": (c_void_p, SizeOut),
    "LiteRtGetNumSignatureOutputs": (c_void_p, SizeOut),
    "LiteRtGetSignatureInputTensorByIndex": (c_void_p, c_size_t, HandleOut),
    "LiteRtGetSignatureOutputTensorByIndex": (c_void_p, c_size_t, HandleOut),
    "LiteRtGetRankedTensorType": (c_void_p, POINTER(TensorType)),
    # litert_options.h, litert_opaque_options.h
    "LiteRtCreateOptions": (HandleOut,),
    "LiteRtDestroyOptions": (c_void_p,),
    "LiteRtSetOptionsHardwareAccelerators": (c_void_p, c_int),
    "LiteRtCreateOpaqueOptions": (c_char_p, c_char_p, Destructor, HandleOut),
    "LiteRtAddOpaqueOptions": (c_void_p, c_void_p),
    # litert_compiled_model.h
    "LiteRtCreateCompiledModel": (c_void_p, c_void_p, c_void_p, HandleOut),
    "LiteRtDestroyCompiledModel": (c_void_p,),
    "LiteRtGetCompiledModelInputBufferRequirements": (c_void_p, c_size_t, c_size_t, HandleOut),
    "LiteRtGetCompiledModelOutputBufferRequirements": (c_void_p, c_size_t, c_size_t, HandleOut),
    "LiteRtGetCompiledModelOutputTensorLayouts": (c_void_p, c_size_t, c_size_t, POINTER(Layout), c_bool),
    "LiteRtRunCompiledModel": (c_void_p, c_size_t, c_size_t, HandleOut, c_size_t, HandleOut),
    # litert_tensor_buffer.h
    "LiteRtCreateManagedTensorBufferFromRequirements": (c_void_p, POINTER(TensorType), c_void_p, HandleOut),
    "LiteRtDestroyTensorBuffer": (c_void_p,),
    "LiteRtGetTensorBufferSize": (c_void_p, SizeOut),
    "LiteRtGetTensorBufferPackedSize": (c_void_p, SizeOut),
    "LiteRtLockTensorBuffer": (c_void_p, HandleOut, c_int),
    "LiteRtUnlockTensorBuffer": (c_void_p,),
    # litert_model.h; never called. The library does not export its version. It has this function since 2.1.6, the
    # release that added the first argument of LiteRtCreateModelFromBuffer.
    "LiteRtCreateModelFromFd": (c_void_p, c_int, c_size_t, c_size_t, HandleOut),
}
