"""Photo bytes -> prediction: decode, run the network, describe the answer."""
