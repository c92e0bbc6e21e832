"""The least of a first answer: NumPy, Pillow and LiteRT imported, the file loaded, run once on a ready array."""

import os

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image  # noqa: F401  (its import is part of what is measured)

interpreter = Interpreter(model_path=os.environ["MODEL_PATH"], num_threads=1)
interpreter.allocate_tensors()
(inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
interpreter.set_tensor(inputs["index"], np.zeros(inputs["shape"], inputs["dtype"]))
interpreter.invoke()
print("answer", interpreter.get_tensor(outputs["index"]).item(), flush=True)
