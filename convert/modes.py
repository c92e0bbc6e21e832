"""The precisions that a network can be converted to, and what the file's outputs are called."""

from typing import Final, Literal, get_args

Mode = Literal["int8", "float16", "dynamic", "none"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

OUTPUTS: Final = ("probabilities", "class_activation_map")
"""The names of the outputs in the file's signature."""
