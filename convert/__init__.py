"""Makes a trained network small: .keras in, a quantized .tflite that describes itself out."""
