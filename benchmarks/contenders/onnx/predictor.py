"""The usual tutorial's handler with ONNX Runtime: keras-image-helper, the model loaded at import."""

import base64
import io
import os
from typing import Any

import onnxruntime
from keras_image_helper import create_preprocessor
from PIL import Image

preprocessor = create_preprocessor("xception", target_size=(160, 160))

session = onnxruntime.InferenceSession(os.environ["MODEL_PATH"], providers=["CPUExecutionProvider"])
input_name = session.get_inputs()[0].name


def predict(pixels: Any) -> dict[str, Any]:
    """P(dog) for pixels of shape (1, 160, 160, 3), float32."""
    probability = float(session.run(None, {input_name: pixels})[0][0, 0])
    return {"label": "dog" if probability >= 0.5 else "cat", "probability": probability}


def predict_bytes(data: bytes) -> dict[str, Any]:
    """P(dog) for a photo's bytes."""
    return predict(preprocessor.convert_to_tensor(Image.open(io.BytesIO(data))))


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer {"url": ...}, or an HTTP API event with a photo."""
    if "body" in event:
        return predict_bytes(base64.b64decode(event["body"]))
    return predict(preprocessor.from_url(event["url"]))
