"""The same .tflite file behind FastAPI, as people write it: one interpreter, a lock, `def` routes in threads."""

import io
import os
import threading
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from fastapi import FastAPI, UploadFile
from PIL import Image

interpreter = Interpreter(model_path=os.environ["MODEL_PATH"])
interpreter.allocate_tensors()
input_index = interpreter.get_input_details()[0]["index"]
# The file's other output is a map of what the network looked at.
(output_index,) = (output["index"] for output in interpreter.get_output_details() if len(output["shape"]) == 2)
lock = threading.Lock()
app = FastAPI()


@app.post("/predict")
def predict(file: UploadFile) -> dict[str, Any]:
    """Answer a form with a photo: P(dog)."""
    image = Image.open(io.BytesIO(file.file.read())).convert("RGB").resize((160, 160))
    pixels = np.expand_dims(np.asarray(image, np.uint8), 0)
    with lock:
        interpreter.set_tensor(input_index, pixels)
        interpreter.invoke()
        probability = float(interpreter.get_tensor(output_index)[0, 0])
    return {"label": "dog" if probability >= 0.5 else "cat", "probability": probability}
