"""python notebooks/execute.py: run the notebook from top to bottom, in place, as it is kept: no times, no machine."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK: Final = Path(__file__).parent / "notebook.ipynb"

# Which version of Python and IPython it ran in is no one's business and would change with each machine.
METADATA: Final = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(notebook: Path, output: Path, *, timeout_s: int | None = None) -> None:
    """Run every cell of `notebook` in its folder, with this Python, and write it with its outputs to `output`.

    Raises:
        CellExecutionError: a cell failed; nothing is written.
    """
    book = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        book, timeout=timeout_s, kernel_name="python3", record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": str(notebook.parent)}},
        # What TensorFlow's C++ logs goes to this terminal, not into the outputs.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as sockets:  # in place of ports that anyone on this machine could connect to
        kernel = client.create_kernel_manager()
        kernel.transport, kernel.ip = "ipc", f"{sockets}/kernel"
        client.execute()
    book.metadata = nbformat.from_dict(METADATA)
    nbformat.write(book, output)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python notebooks/execute.py", description=__doc__)
    parser.add_argument("--output", type=Path, default=NOTEBOOK, help="where the executed notebook goes")
    args = parser.parse_args(argv)
    try:
        execute(NOTEBOOK, args.output)
    except CellExecutionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"wrote {args.output.name} ({args.output.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
