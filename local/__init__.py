"""The app on your own machine: an HTTP server and a command line. Never in the container."""
