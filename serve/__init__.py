"""All that the Lambda container carries: a photo's bytes in, a label and P(dog) out. Never TensorFlow."""
