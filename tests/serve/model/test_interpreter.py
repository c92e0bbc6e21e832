"""Both interpreters: the same answers, the same refusals; what LiteRT's C library leaves behind: nothing."""

import _ctypes
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from serve.model import interpreter
from serve.model.interpreter import Interpreter, load

TINY = Path(__file__).parent / "tiny"
LIBRARY = interpreter.find_library()
PHOTOS = sorted((Path(__file__).parents[4] / "shared" / "photos").glob("*/*.jpg"))

needs_library = pytest.mark.skipif(LIBRARY is None, reason="needs LiteRT's C library")
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")

PIXELS = bytes(range(48))  # of the tiny models, 4 x 4 x 3
CHANNELS = (22.5, 23.5, 24.5)  # their means


def with_numpy(model_path: Path, num_threads: int = 1) -> Interpreter:
    """A package's interpreter, whether or not LiteRT's C library is installed."""
    pytest.importorskip("numpy", reason="needs NumPy")
    from serve.model.numpy_interpreter import NumpyInterpreter

    return NumpyInterpreter(model_path, num_threads)


def pixels_of(photo: Path, model: Interpreter) -> bytes:
    with Image.open(photo) as image:
        return image.convert("RGB").resize((model.width, model.height)).tobytes()


both = pytest.mark.parametrize("load_model", [load, with_numpy])
Load = Callable[[Path, int], Interpreter]


@both
@pytest.mark.parametrize(("name", "expected"), [("float32", (23.5,)), ("three_numbers", CHANNELS), ("uint8", CHANNELS)])
def test_a_model_has_one_or_several_numbers(load_model: Load, name: str, expected: tuple[float, ...]) -> None:
    model = load_model(TINY / f"{name}.tflite", 1)
    assert (model.height, model.width, model.num_outputs) == (4, 4, len(expected))
    assert model.run(PIXELS) == expected
    assert model.run(bytes(48)) == (0,) * len(expected)


@both
@pytest.mark.parametrize(("name", "numbers"), [("cat_or_dog", 1), ("seven_colors", 7)])
def test_a_model_may_have_a_map_whose_mean_gives_the_numbers(load_model: Load, name: str, numbers: int) -> None:
    model = load_model(TINY / f"{name}.tflite", 1)
    assert (model.num_outputs, model.map_size) == (numbers, (4, 4))
    pixels = random.Random(1).randbytes(16 * 16 * 3)
    answer, logits = model.run(pixels), model.last_map()
    assert len(logits) == 4 * 4 * numbers
    means = [sum(logits[number::numbers]) / 16 for number in range(numbers)]
    terms = [math.exp(each) for each in means]
    expected = [term / (sum(terms) if numbers > 1 else 1 + term) for term in terms]
    assert answer == pytest.approx(expected, abs=1e-5)
    assert model.run(bytes(16 * 16 * 3)) != answer
    assert model.last_map() != logits


@both
def test_a_model_without_a_map_has_none(load_model: Load) -> None:
    model = load_model(TINY / "three_numbers.tflite", 1)
    model.run(PIXELS)
    assert model.map_size is None
    with pytest.raises(ValueError, match="no class activation map"):
        model.last_map()


@both
def test_a_float32_input_gets_every_value_exactly(load_model: Load) -> None:
    model = load_model(TINY / "three_numbers.tflite", 1)
    for value in range(256):
        assert model.run(bytes([value, 255 - value, 7]) * 16) == (value, 255 - value, 7)


@both
@pytest.mark.parametrize("length", [0, 47, 49, 4800])
def test_another_number_of_pixels_is_an_error(load_model: Load, length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes of pixels; the model takes 4 x 4 x 3"):
        load_model(TINY / "uint8.tflite", 1).run(bytes(length))


@both
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("two_inputs", r"takes float32 \(1, 4, 4, 3\) and float32 \(1, 4, 4, 3\)"),
        ("two_outputs", r"returns float32 \(1, 1\) and float32 \(1, 1\)"),
        ("dynamic_size", r"takes float32 \(1, -1, -1, 3\)"),
        ("dynamic_batch", r"takes float32 \(-1, 4, 4, 3\)"),
        ("gray", r"takes float32 \(1, 4, 4, 1\)"),
        ("int32_input", r"takes int32 \(1, 4, 4, 3\)"),
        ("int32_output", r"returns int32 \(1, 1\)"),
        ("vector_output", r"returns float32 \(1,\)"),
        ("custom_operation", "Encountered unresolved custom op: Erfinv"),
    ],
)
def test_another_kind_of_model_is_an_error(load_model: Load, name: str, found: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}\.tflite: .*{found}.*make the file with"):
        load_model(TINY / f"{name}.tflite", 1)


@both
@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\0\0\0TFL3", b"a page of text\n" * 100])
def test_what_is_no_model_is_an_error(load_model: Load, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(content)
    if content.startswith(b"\x1c") and (load_model is with_numpy or LIBRARY is None):
        pytest.skip("the packages do not verify a file that begins like a model")
    with pytest.raises(ValueError, match=r"model\.tflite: .*make the file with"):
        load_model(file, 1)


@both
def test_no_file_is_an_error(load_model: Load, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.tflite", 1)


@needs_library
@pytest.mark.parametrize("part", [0.01, 0.1, 0.5, 0.9, 0.95])
def test_a_truncated_model_is_an_error(part: float, tmp_path: Path) -> None:
    content = (TINY / "float32.tflite").read_bytes()
    file = tmp_path / "model.tflite"
    file.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match=r"model\.tflite: is damaged.*LiteRtCreateModelFromBuffer returned 501"):
        load(file, 1)


@needs_library
def test_changed_bytes_are_an_error_or_another_model(tmp_path: Path) -> None:
    script = "import sys, pathlib; from serve.model.interpreter import load; load(pathlib.Path(sys.argv[1]), 1)"
    chance = random.Random(1)
    for number in range(20):
        content = bytearray((TINY / "uint8.tflite").read_bytes())
        content[chance.randrange(8, len(content))] = chance.randrange(256)
        file = tmp_path / f"{number}.tflite"
        file.write_bytes(content)
        run = python(script, str(file))
        assert run.returncode == 0 or "ValueError" in run.stderr, content


@needs_library
def test_what_is_not_the_library_is_an_error(shipped_model_path: Path, tmp_path: Path) -> None:
    from serve.model.litert import LiteRt

    text = tmp_path / "libLiteRt.so"
    text.write_text("not a library")
    with pytest.raises(ValueError, match=r"libLiteRt\.so: .*Install the ai-edge-litert"):
        LiteRt(str(text), shipped_model_path, 1)
    with pytest.raises(ValueError, match=r"_ctypes.*LiteRtCreateEnvironment.*Install the ai-edge-litert"):
        LiteRt(_ctypes.__file__, shipped_model_path, 1)


@needs_library
def test_a_library_without_one_of_the_functions_is_an_error(shipped_model_path: Path, tmp_path: Path) -> None:
    from serve.model.litert import LiteRt

    assert LIBRARY
    older = tmp_path / "libLiteRt.so"
    content = Path(LIBRARY).read_bytes()
    older.write_bytes(content.replace(b"\0LiteRtCreateModelFromFd\0", b"\0LiteRtCreateModelFromXx\0"))
    with pytest.raises(ValueError, match=r"libLiteRt\.so: undefined symbol: LiteRtCreateModelFrom.*Install"):
        LiteRt(str(older), shipped_model_path, 1)


@needs_library
def test_a_library_that_reads_the_structures_in_another_way_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from serve.model import litert_abi

    monkeypatch.setitem(litert_abi.ELEMENT_TYPES, 3, "float32")
    with pytest.raises(ValueError, match=r"counts 48 bytes.*its ABI is another.*Install the ai-edge-litert"):
        load(TINY / "uint8.tflite", 1)


@needs_library
@pytest.mark.skipif(not PHOTOS, reason="needs ../shared/photos")
@pytest.mark.parametrize("name", ["cats_dogs.tflite", "cats_dogs.float16.tflite"])
def test_answers_are_those_of_the_package_to_the_bit(name: str, root: Path) -> None:
    pytest.importorskip("ai_edge_litert.interpreter", reason="needs the Python package")
    file = root / "models" / name
    model, reference = load(file, 1), with_numpy(file)
    assert model.runtime == reference.runtime == "ai-edge-litert"
    answers = [
        (model.run(pixels), reference.run(pixels)) for pixels in (pixels_of(photo, model) for photo in PHOTOS[::4])
    ]
    assert [ours for ours, _ in answers] == [theirs for _, theirs in answers]
    assert len({ours for ours, _ in answers}) > len(answers) / 4  # there is something to agree on


def test_the_fallback_loads_where_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy", reason="needs NumPy")
    monkeypatch.setattr(sys, "platform", "win32")
    model = load(TINY / "uint8.tflite", 1)
    assert type(model).__name__ == "NumpyInterpreter"
    assert model.runtime in {"ai-edge-litert", "tflite-runtime"}
    assert model.run(PIXELS) == CHANNELS


@needs_library
def test_nothing_is_imported_for_it_and_nothing_written(shipped_model_path: Path) -> None:
    run = python(
        "import sys, pathlib\n"
        "from serve.model.interpreter import load\n"
        "model = load(pathlib.Path(sys.argv[1]), 1)\n"
        "model.run(bytes(model.height * model.width * 3))\n"
        "print(model.runtime, sorted({'numpy', 'ai_edge_litert', 'flatbuffers'} & set(sys.modules)))\n",
        str(shipped_model_path),
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "ai-edge-litert []\n", "")


@needs_library
@needs_proc
@pytest.mark.parametrize("num_threads", [1, 2, 4])
def test_the_number_of_threads_is_honored(num_threads: int, shipped_model_path: Path) -> None:
    before = threads()
    model = load(shipped_model_path, num_threads)
    model.run(bytes(model.height * model.width * 3))
    assert threads() - before == num_threads - 1  # the caller's is one of them
    del model
    assert threads() == before


@needs_library
@needs_proc
def test_handles_are_destroyed(shipped_model_path: Path) -> None:
    def cycles(number: int) -> None:
        for _ in range(number):
            model = load(shipped_model_path, 2)
            model.run(bytes(model.height * model.width * 3))
            for unfit in ("custom_operation", "two_inputs"):
                with pytest.raises(ValueError, match=unfit):
                    load(TINY / f"{unfit}.tflite", 2)

    cycles(5)
    before = memory(), threads(), files()
    cycles(40)
    assert threads() == before[1]
    assert files() == before[2]
    assert memory() - before[0] < 40e6  # one model takes 8 MB


def python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, from the root of the project."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def memory() -> int:
    """Resident memory, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
