"""The precisions that a network can be converted to."""

from typing import Final, Literal, get_args

Mode = Literal["int8", "float16", "dynamic", "none"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
