"""The usual tutorial's Lambda handler: keras-image-helper and tflite-runtime, the model loaded at import.

keras-image-helper opens the URL, resizes to the nearest pixel, and scales to -1..1.
"""

import base64
import io
import os
from typing import Any

import tflite_runtime.interpreter as tflite
from keras_image_helper import create_preprocessor
from PIL import Image

preprocessor = create_preprocessor("xception", target_size=(160, 160))

interpreter = tflite.Interpreter(model_path=os.environ["MODEL_PATH"])
interpreter.allocate_tensors()
input_index = interpreter.get_input_details()[0]["index"]
output_index = interpreter.get_output_details()[0]["index"]


def predict(pixels: Any) -> dict[str, Any]:
    """P(dog) for pixels of shape (1, 160, 160, 3), float32."""
    interpreter.set_tensor(input_index, pixels)
    interpreter.invoke()
    probability = float(interpreter.get_tensor(output_index)[0, 0])
    return {"label": "dog" if probability >= 0.5 else "cat", "probability": probability}


def predict_bytes(data: bytes) -> dict[str, Any]:
    """P(dog) for a photo's bytes."""
    return predict(preprocessor.convert_to_tensor(Image.open(io.BytesIO(data))))


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer {"url": ...}, or an HTTP API event with a photo."""
    if "body" in event:
        return predict_bytes(base64.b64decode(event["body"]))
    return predict(preprocessor.from_url(event["url"]))
