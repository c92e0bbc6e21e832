"""All that the Lambda container carries: a photo's bytes in, a label and its probability out. Never TensorFlow."""

from typing import Final

VERSION: Final = "0.2.0"
"""Of the project: what `classify --version`, the API's description, the User-Agent and the package say."""
