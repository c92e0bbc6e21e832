"""Keras on full TensorFlow behind FastAPI, as tutorials write it; the model is loaded at import."""

import base64
import io
import os
import urllib.request
from typing import Any

import keras
import numpy as np
from fastapi import FastAPI, UploadFile

model = keras.models.load_model(os.environ["MODEL_PATH"])
app = FastAPI()


def predict_bytes(data: bytes) -> dict[str, Any]:
    """P(dog) for a photo's bytes; `load_img` resizes to the nearest pixel."""
    image = keras.utils.load_img(io.BytesIO(data), target_size=(160, 160))
    pixels = np.expand_dims(keras.utils.img_to_array(image), 0)
    probability = float(model.predict(pixels, verbose=0)[0, 0])
    return {"label": "dog" if probability >= 0.5 else "cat", "probability": probability}


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Do what the routes do, for an event in place of a request."""
    if "body" in event:
        return predict_bytes(base64.b64decode(event["body"]))
    with urllib.request.urlopen(event["url"]) as response:  # noqa: S310  (as in the tutorials)
        return predict_bytes(response.read())


@app.post("/predict")
def predict_url(request: dict[str, Any]) -> dict[str, Any]:
    """Answer {"url": ...}."""
    return handler(request, None)


@app.post("/upload")
def predict_upload(file: UploadFile) -> dict[str, Any]:
    """Answer a form with a photo."""
    return predict_bytes(file.file.read())
