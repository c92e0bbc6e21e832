"""Fixtures and options for the tests of more than one folder."""

import http.server
import importlib.util
import io
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from PIL import Image

from serve.model import model_file
from train import programs

ROOT = Path(__file__).parents[1]

# In a script's background (`make test &`) SIGINT is ignored, and child processes inherit that. The tests that interrupt
# a program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# As the programs have it: the same kernels, in half the time on some processors.
programs.prepare_tensorflow()

# For `make test-fast`; the default profile has 100 examples.
hypothesis.settings.register_profile("fast", max_examples=10)

# A test that uses the fixture carries the marker.
MARKERS = {"chromium": "browser", "engine": "container"}
# The slowest kinds of tests, slowest first.
SLOW = ("container", "training", "browser")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("environments", "one suite in several environments")
    group.addoption("--write-passed", metavar="FILE", help="write the ids of the tests that pass to FILE")
    group.addoption("--skip-passed", metavar="FILE", help="leave out the tests whose ids are in FILE")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures, leave out what has passed elsewhere, and start with the slowest files.

    A slow file that a worker begins last keeps all other workers waiting.
    """
    for item in items:
        for fixture in MARKERS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKERS[fixture])
    if (file := config.getoption("--skip-passed")) is not None:
        passed = set(Path(file).read_text(encoding="utf-8").splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed])
        items[:] = [item for item in items if item.nodeid not in passed]
    ranks: dict[Path, int] = {}
    for item in items:
        rank = min((SLOW.index(mark.name) for mark in item.iter_markers() if mark.name in SLOW), default=len(SLOW))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def pytest_configure(config: pytest.Config) -> None:
    # The workers of pytest-xdist report to the process that started them: it alone writes.
    if (file := config.getoption("--write-passed")) is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Passed(Path(file)))


class Passed:
    """Writes down which tests passed, so that the next environment need not repeat them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.ids: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.ids.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("".join(f"{name}\n" for name in self.ids), encoding="utf-8")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


TINY = ROOT / "tests" / "serve" / "model" / "tiny"
"""Small model files, described in make_tiny.py beside them."""


@pytest.fixture(scope="session")
def shipped_model_path() -> Path:
    """The shipped model for this runtime, whatever its labels: somebody may have put another in its place."""
    runtime = importlib.util.find_spec("tflite_runtime")
    return ROOT / "models" / ("cats_dogs.tflite" if runtime is None else "cats_dogs.float16.tflite")


@pytest.fixture(scope="session")
def model_path() -> Path:
    """A small model of two labels, cat and dog, which examples/ has photos of."""
    return TINY / "cat_or_dog.tflite"


@pytest.fixture(scope="session")
def seven_model_path() -> Path:
    """A small model of seven labels: black, blue, gray, green, red, white and yellow."""
    return TINY / "seven_colors.tflite"


@pytest.fixture(scope="session")
def uncertain_model_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model_path` with threshold 1.0: every photo is `uncertain`."""
    known = model_file.read(model_path)
    file = tmp_path_factory.mktemp("model") / "uncertain.tflite"
    details = {**known.details, "confidence_threshold": 1.0}
    file.write_bytes(model_file.pack(model_path.read_bytes(), known.labels, known.positive_class, details))
    return file


@pytest.fixture(scope="session")
def cat_jpeg() -> bytes:
    """A real photo of a cat, 451 x 300."""
    return (ROOT / "examples" / "cat.jpg").read_bytes()


@pytest.fixture(scope="session")
def photo_server(cat_jpeg: bytes) -> Iterator[str]:
    """A real HTTP server on loopback, with the photo at /cat.jpg and a secret behind a 404; yields its base URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.startswith("/cat.jpg")
            body = cat_jpeg if found else b"secret"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data, which not every machine has."""
    folder = ROOT.parent / "shared"
    if not (folder / "tensorflow_datasets").is_dir():
        pytest.skip("needs ../shared (the data set and the weights)")
    return folder


def make_photos(folder: Path, per_class: int, seed: int = 1) -> Path:
    """Makes a folder of two class folders: noisy photos, the "cat" ones reddish, the "dog" ones bluish."""
    chance = random.Random(seed)
    for label, color in (("cat", (190, 80, 60)), ("dog", (60, 80, 190))):
        (folder / label).mkdir(parents=True)
        for number in range(per_class):
            size = (chance.randint(40, 90), chance.randint(40, 90))
            noise = Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1]))
            photo = jpeg(Image.blend(Image.new("RGB", size, color), noise, 0.5))
            (folder / label / f"{number:03}.jpg").write_bytes(photo)
    return folder


@pytest.fixture
def photo_folder(tmp_path: Path) -> Callable[[int], Path]:
    """`make_photos` in the test's own folder."""

    def make(per_class: int, name: str = "photos") -> Path:
        return make_photos(tmp_path / name, per_class)

    return make


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def jpeg(image: Image.Image, **options: int) -> bytes:
    """The image as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()
