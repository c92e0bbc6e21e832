"""A .tflite file in; for every photo a label and the probability of the positive class out."""

import threading
import time
from pathlib import Path
from typing import NamedTuple

from serve.model import interpreter, limits, model_file, preprocess


class Prediction(NamedTuple):
    """The answer for one photo.

    Attributes:
        label: the more probable of the two. Given a horse, the model still answers one of them.
        probability: of the positive class ("dog" for the shipped model), 0-1, whatever the label.
        uncertain: whether the confidence is below the file's threshold; None if the file has none.
        model_version: which model file said so.
        decode_ms, inference_ms: time spent, in milliseconds.
    """

    label: str
    probability: float
    uncertain: bool | None
    model_version: str
    decode_ms: float
    inference_ms: float


class Classifier:
    """A loaded model. Safe for concurrent calls: photos are decoded side by side, and inferred one by one.

    Args:
        model_path: a file made by `python -m convert`.
        num_threads: for inference.
        max_pixels: larger photos are refused.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a model that this class can run.
    """

    def __init__(self, model_path: Path, num_threads: int = 1, max_pixels: int = limits.MAX_IMAGE_PIXELS) -> None:
        self.description = model_file.read(model_path)
        self._interpreter = interpreter.load(model_path, num_threads)
        if self._interpreter.num_outputs != 1:
            raise ValueError(
                f"{model_path}: returns {self._interpreter.num_outputs} numbers, not one probability; make the file "
                "with `python -m convert`"
            )
        # An interpreter has one set of tensors.
        self._lock = threading.Lock()
        self._max_pixels = max_pixels

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return self._interpreter.height, self._interpreter.width

    @property
    def runtime(self) -> str:
        """The distribution that runs the model: "ai-edge-litert" or "tflite-runtime"."""
        return self._interpreter.runtime

    def classify(self, image: bytes) -> Prediction:
        """Classify one encoded photo.

        Raises:
            ProblemError: the bytes are not an image that is taken here (see `serve.model.preprocess.decode`).
        """
        started = time.perf_counter()
        pixels = preprocess.decode(image, *self.input_size, max_pixels=self._max_pixels)
        decoded = time.perf_counter()
        probability = self.probability(pixels.tobytes())
        done = time.perf_counter()
        description, below = self.description, self.description.confidence_threshold
        return Prediction(
            label=description.positive_class if probability >= 0.5 else description.negative_class,
            probability=probability,
            uncertain=None if below is None else max(probability, 1 - probability) < below,
            model_version=description.version,
            decode_ms=(decoded - started) * 1e3,
            inference_ms=(done - decoded) * 1e3,
        )

    def probability(self, pixels: bytes) -> float:
        """P(positive class) of decoded pixels: RGB 0-255, one byte a channel, row by row, in `input_size`."""
        with self._lock:
            return self._interpreter.run(pixels)[0]
