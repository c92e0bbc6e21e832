"""Trains the network on labeled photos, offline, with full TensorFlow."""
