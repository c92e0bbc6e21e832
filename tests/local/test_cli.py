"""`python -m local` as people run it: in a terminal, in a pipe, interrupted."""

import importlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from serve import VERSION
from serve.model import model_file
from tests.conftest import TINY

ROOT = Path(__file__).parents[2]
CAT = str(ROOT / "examples" / "cat.jpg")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "local", *arguments]


def run(*arguments: str, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a pipe."""
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        check=False,
        env=os.environ | settings,
        timeout=60,
    )


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Exit status, and what a terminal got from standard output and standard error."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))
    process = subprocess.Popen(command(*arguments), cwd=ROOT, stdin=end, stdout=end, stderr=end)
    os.close(end)
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(terminal)
    return process.wait(timeout=60), shown.decode()


@pytest.fixture
def folder(tmp_path: Path, cat_jpeg: bytes) -> Path:
    """Two good photos, a broken one, and files that are no photos."""
    place = tmp_path / "holiday"
    (place / "below").mkdir(parents=True)
    (place / ".hidden").mkdir()
    for name in ("b.jpg", "below/a.JPEG", ".hidden/c.jpg", ".d.jpg"):
        (place / name).write_bytes(cat_jpeg)
    (place / "broken.jpg").write_bytes(cat_jpeg[:5000])
    (place / "notes.txt").write_text("no photo")
    return place


def test_into_a_pipe_a_line_of_json_a_photo() -> None:
    done = run(CAT)
    assert done.returncode == 0
    (first,) = lines(done)
    assert first["photo"] == CAT
    assert first["label"] == "cat"
    assert set(first) == {"photo", "label", "probability", "uncertain", "model_version"}


def test_on_a_terminal_a_table() -> None:
    status, shown = on_a_terminal(CAT)
    assert status == 0
    heading, row = (line for line in shown.splitlines() if line.startswith(("photo", CAT)))
    assert heading.split() == ["photo", "label", "P(dog)"]
    assert row.split()[1] == "cat"
    assert 0 <= float(row.split()[2]) < 0.5


def test_a_photo_below_the_threshold_is_uncertain(uncertain_model_path: Path) -> None:
    _, shown = on_a_terminal("--model", str(uncertain_model_path), CAT)
    (row,) = (line for line in shown.splitlines() if CAT in line)
    assert "  uncertain" in row
    assert lines(run("--model", str(uncertain_model_path), CAT))[0]["uncertain"] is True


def test_more_than_two_labels(seven_model_path: Path) -> None:
    (answer,) = lines(run("--model", str(seven_model_path), CAT))
    assert isinstance(answer["probabilities"], dict)
    assert answer["probability"] == max(answer["probabilities"].values())
    _, shown = on_a_terminal("--model", str(seven_model_path), CAT)
    assert shown.splitlines()[0].split() == ["photo", "label", "probability"]


def test_an_explanation_when_asked(tmp_path: Path) -> None:
    (answer,) = lines(run("--explain", CAT))
    assert isinstance(answer["explanation"], list)
    assert [len(row) for row in answer["explanation"]] == [4] * 4
    _, shown = on_a_terminal("--explain", CAT)
    assert "████" in shown
    without = tmp_path / "model.tflite"
    without.write_bytes(model_file.pack((TINY / "three_numbers.tflite").read_bytes(), ("a", "b", "c"), None, {}))
    done = run("--explain", "--model", str(without), CAT)
    assert done.returncode == 2
    assert b"has no class activation map" in done.stderr


def test_json_on_a_terminal_when_asked() -> None:
    status, shown = on_a_terminal("--json", CAT)
    assert status == 0
    assert any(line.startswith('{"photo"') for line in shown.splitlines())


def test_a_folder_on_a_terminal_has_a_bar_that_goes_away(folder: Path) -> None:
    pytest.importorskip("tqdm", reason="the bar is tqdm's, which comes with LiteRT only")
    status, shown = on_a_terminal(str(folder))
    assert status == 1
    assert "/3 [" in shown
    assert "2 cat, 1 unreadable" in shown


def test_a_folder_is_searched_all_the_way_down_and_in_order(folder: Path) -> None:
    done = run(str(folder))
    assert done.returncode == 1
    answers = lines(done)
    assert [answer["photo"] for answer in answers] == [str(folder / x) for x in ("b.jpg", "below/a.JPEG", "broken.jpg")]
    assert [answer.get("label") for answer in answers] == ["cat", "cat", None]
    error = answers[2]["error"]
    assert isinstance(error, dict)
    assert "truncated" in error["detail"]
    assert b"2 cat, 1 unreadable" in done.stderr


def test_a_folder_without_photos_and_a_file_that_is_not_there_are_errors_in_words(tmp_path: Path) -> None:
    done = run(str(tmp_path), str(tmp_path / "none.jpg"))
    assert done.returncode == 1
    details = [str(answer["error"]) for answer in lines(done)]
    assert "no photo in it" in details[0]
    assert "no such file" in details[1]


def test_a_photo_on_standard_input(cat_jpeg: bytes) -> None:
    done = run("-", stdin=cat_jpeg)
    assert done.returncode == 0
    assert [(answer["photo"], answer["label"]) for answer in lines(done)] == [("-", "cat")]


def test_too_large_a_photo_is_not_read_to_its_end(cat_jpeg: bytes) -> None:
    done = run("-", CAT, stdin=cat_jpeg, MAX_IMAGE_BYTES="1000")
    assert done.returncode == 1
    assert [answer["error"]["status"] for answer in lines(done)] == [413, 413]  # type: ignore[index]


def test_a_url_is_fetched_under_the_rules_of_the_function(photo_server: str) -> None:
    url = f"{photo_server}/cat.jpg"
    refused = run(url)
    assert refused.returncode == 1
    assert lines(refused)[0]["error"]["status"] == 422  # type: ignore[index]
    fetched = run(url, URL_ALLOWED_NETWORKS="127.0.0.0/8", URL_ALLOWED_PORTS=str(urlsplit(url).port))
    assert fetched.returncode == 0
    assert lines(fetched)[0]["label"] == "cat"


@pytest.mark.parametrize(
    ("arguments", "settings", "named"),
    [
        ((), {}, "PHOTO"),
        (("-", "-"), {}, "once"),
        (("--jobs", "0", CAT), {}, "--jobs"),
        (("--model", "none.tflite", CAT), {}, "none.tflite"),
        ((CAT,), {"FETCH_TIMEOUT_S": "soon"}, "FETCH_TIMEOUT_S"),
        (("--dry-run", CAT), {}, "--copy-to"),
        (("--copy-to", "a", "--move-to", "b", CAT), {}, "--move-to"),
        (("--json", "--csv", CAT), {}, "--csv"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: tuple[str, ...], settings: dict[str, str], named: str) -> None:
    done = run(*arguments, stdin=b"", **settings)
    assert done.returncode == 2
    assert named in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_another_model_answers_in_its_own_name(tmp_path: Path) -> None:
    other = ROOT / "models" / "cats_dogs.float16.tflite"
    shutil.copy(other, tmp_path / "other.tflite")
    (ours,), (theirs,) = lines(run(CAT)), lines(run("--model", str(tmp_path / "other.tflite"), CAT))
    assert ours["model_version"] != theirs["model_version"]
    assert theirs["label"] == "cat"


def test_a_photo_that_is_named_twice_is_answered_once(folder: Path) -> None:
    link = folder / "link.jpg"
    link.symlink_to(folder / "b.jpg")
    done = run(CAT, CAT, str(folder / "b.jpg"), str(link), str(folder))
    assert [answer["photo"] for answer in lines(done)] == [
        CAT, *(str(folder / name) for name in ("b.jpg", "below/a.JPEG", "broken.jpg")),
    ]  # fmt: skip


def test_a_pattern_is_expanded_where_the_shell_has_not(folder: Path) -> None:
    done = run(str(folder / "**" / "*.JPEG"), str(folder / "*.gif"))
    found, missing = lines(done)
    assert found["photo"] == str(folder / "below" / "a.JPEG")
    assert "No file matches" in str(missing["error"])


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path, cat_jpeg: bytes) -> None:
    (tmp_path / "[a]*.jpg").write_bytes(cat_jpeg)
    assert lines(run(str(tmp_path / "[a]*.jpg")))[0]["label"] == "cat"


@pytest.mark.parametrize("url", ["ftp://example.org/cat.jpg", "s3://bucket/cat.jpg", "file:///etc/passwd"])
def test_another_kind_of_url_is_not_taken_for_a_file(url: str) -> None:
    (answer,) = lines(run(url))
    assert "is not fetched" in str(answer["error"])


def test_photos_are_sorted_into_folders_as_they_are_answered(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "sorted"
    dry = run(str(folder), "--move-to", str(out), "--dry-run")
    assert not out.exists()
    done = run(str(folder), "--move-to", str(out))
    assert [answer.get("sorted_to") for answer in lines(done)] == [answer.get("sorted_to") for answer in lines(dry)]
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*.*")) == ["cat/a.JPEG", "cat/b.jpg"]
    assert (folder / "broken.jpg").exists()
    assert not (folder / "b.jpg").exists()


def test_csv_has_a_heading(folder: Path) -> None:
    heading, *records = run("--csv", str(folder)).stdout.decode().splitlines()
    assert heading.startswith("photo,label,probability,uncertain,model_version")
    assert len(records) == 3


def test_a_name_that_the_encoding_of_the_output_lacks_is_escaped(tmp_path: Path) -> None:
    shutil.copy(CAT, tmp_path / "grün.jpg")
    done = run("--csv", str(tmp_path / "grün.jpg"), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert rb"gr\xfcn.jpg,cat" in done.stdout


def test_the_version_is_that_of_the_project() -> None:
    assert run("--version").stdout.decode().strip() == f"classify {VERSION}"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_is_told_how_to_complete_the_command(shell: str) -> None:
    pytest.importorskip("shtab", reason="needs the local service's packages (requirements/local.txt)")
    script = run("--print-completion", shell).stdout.decode()
    assert "classify" in script
    assert "--copy-to" in script


def test_the_project_installs_the_command() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["classify"]
    module, _, function = known.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_help_has_examples_and_exit_statuses() -> None:
    done = run("--help")
    assert done.returncode == 0
    text = done.stdout.decode()
    for part in ("examples:", "exit status:", "--json", "--jobs", "standard input"):
        assert part in text


def copies(folder: Path, number: int) -> list[str]:
    """As many folders with the same photos."""
    return [str(shutil.copytree(folder, folder.with_name(f"copy-{copy}"))) for copy in range(number)]


def test_a_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    with subprocess.Popen(
        command(*copies(folder, 50)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as disk:
        done = subprocess.run(command(CAT), cwd=ROOT, stdout=disk, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: the answers cannot be written: No space left on device\n")


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow.jpg")  # a photo that never comes
    with subprocess.Popen(
        command(CAT, str(tmp_path / "slow.jpg")), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()  # the first photo is answered, the second is waited for
        process.send_signal(signal.SIGINT)
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 130


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_a_closed_stream_is_no_traceback(closed: str) -> None:
    words = " ".join(f'"{word}"' for word in command(CAT, str(ROOT / "examples" / "dog.jpg")))
    done = subprocess.run(["bash", "-c", f"{words} {closed}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == (0 if closed == ">&-" else 2)
