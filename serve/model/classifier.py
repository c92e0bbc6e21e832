"""A .tflite file in; for every photo a label and its probability out."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serve.errors import NoExplanationError
from serve.model import interpreter, limits, model_file, preprocess

if TYPE_CHECKING:  # few answers have one
    from serve.model.explanation import Grid


class Prediction(NamedTuple):
    """The answer for one photo.

    Attributes:
        label: the most probable one. Given a horse, a model of cats and dogs still answers one of them.
        probability: of the positive class, 0-1, whatever the label ("dog" for the shipped model). With more than two
            labels, of `label`.
        uncertain: whether the confidence is below the file's threshold; None if the file has none.
        model_version: which model file said so.
        decode_ms, inference_ms: time spent, in milliseconds.
        probabilities: of every label, in the file's order; None for two labels.
        explanation: the evidence for `label` at each place of the photo (see `serve.model.explanation`); None if
            nobody asked.
    """

    label: str
    probability: float
    uncertain: bool | None
    model_version: str
    decode_ms: float
    inference_ms: float
    probabilities: Mapping[str, float] | None = None
    explanation: "Grid | None" = None


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
        labels, positive_class = self.description.labels, self.description.positive_class
        self._positive = None if positive_class is None else labels.index(positive_class)
        expected = len(labels) if self._positive is None else 1
        if self._interpreter.num_outputs != expected:
            raise ValueError(
                f"{model_path}: returns {self._interpreter.num_outputs} numbers for {len(labels)} labels, not "
                f"{expected}; make the file with `python -m convert`"
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

    @property
    def explains(self) -> bool:
        """Whether the file has a class activation map."""
        return self._interpreter.map_size is not None

    def classify(self, image: bytes, *, explain: bool = False) -> Prediction:
        """Classify one encoded photo.

        Args:
            image: the file's bytes.
            explain: also say where in the photo the evidence for the label is.

        Raises:
            ProblemError: the bytes are not an image that is taken here (see `serve.model.preprocess.decode`), or an
                explanation is asked for and the file has no map.
        """
        if explain and not self.explains:
            raise NoExplanationError
        started = time.perf_counter()
        pixels = preprocess.decode(image, *self.input_size, max_pixels=self._max_pixels)
        decoded = time.perf_counter()
        probabilities, logits = self._run(pixels.tobytes(), explain=explain)
        done = time.perf_counter()
        labels, below = self.description.labels, self.description.confidence_threshold
        positive = self._positive
        # At 1/2 the answer is the positive class.
        best = max(range(len(labels)), key=lambda place: (probabilities[place], place == positive))
        return Prediction(
            label=labels[best],
            probability=probabilities[best if positive is None else positive],
            uncertain=None if below is None else probabilities[best] < below,
            model_version=self.description.version,
            decode_ms=(decoded - started) * 1e3,
            inference_ms=(done - decoded) * 1e3,
            probabilities=dict(zip(labels, probabilities, strict=True)) if positive is None else None,
            explanation=self._explanation(logits, best) if explain else None,
        )

    def probabilities(self, pixels: bytes) -> tuple[float, ...]:
        """P(label) for each of the file's labels, in their order.

        Args:
            pixels: decoded: RGB 0-255, one byte a channel, row by row, in `input_size`.
        """
        return self._run(pixels, explain=False)[0]

    def _run(self, pixels: bytes, *, explain: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The probabilities, and the logits of the map if they are asked for."""
        with self._lock:
            found = self._interpreter.run(pixels)
            logits = self._interpreter.last_map() if explain else ()
        match self._positive:
            case None:
                return found, logits
            case 0:
                return (found[0], 1 - found[0]), logits
            case _:
                return (1 - found[0], found[0]), logits

    def _explanation(self, logits: tuple[float, ...], label: int) -> "Grid":
        from serve.model import explanation

        _, columns = self._interpreter.map_size or (0, 0)
        if self._positive is None:
            return explanation.of_many(logits, columns, len(self.description.labels), label)
        return explanation.of_two(logits, columns, is_positive=label == self._positive)
