"""Any bytes get an answer or a client error: a short run of `benchmarks.robustness.fuzz`."""

import base64
import json
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.robustness import corpus
from benchmarks.robustness.fuzz import Fuzzer, fuzz
from serve.errors import MalformedRequestError, ProblemError
from serve.http import Request
from serve.model.preprocess import decode
from serve.upload import Photo, photo_in

FILES = corpus.image_files()
SHORT = settings(
    derandomize=True, deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)

# Pillow warns of some broken files that it still reads.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

places = st.integers(0, 10_000)


@st.composite
def edited(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with a few pieces replaced, removed or doubled; the checksums of a PNG put right."""
    for place, length, piece in draw(st.lists(st.tuples(places, st.integers(0, 8), st.binary(max_size=8)), max_size=5)):
        start = place % (len(data) + 1)
        data = data[:start] + piece + data[start + length :]
    return corpus.with_png_checksums(data) if data.startswith(FILES["png"][:8]) else data


def problem_of(call: object) -> ProblemError | None:
    try:
        assert callable(call)
        call()
    except ProblemError as problem:
        return problem
    return None


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_edited_gives_pixels_or_a_client_error(name: str) -> None:
    @SHORT
    @given(edited(FILES[name]))
    @example(FILES[name])
    def check(data: bytes) -> None:
        problem = problem_of(lambda: decode(data, 8, 8, max_pixels=100_000))
        assert problem is None or problem.status in {413, 415, 422}
        assert problem is not None or decode(data, 8, 8).size == (8, 8)

    check()


@SHORT
@given(st.sampled_from(sorted(FILES)), places)
def test_every_beginning_of_a_file_is_a_photo_or_a_client_error(name: str, length: int) -> None:
    data = FILES[name]
    problem = problem_of(lambda: decode(data[: length % len(data)], 8, 8))
    assert problem is None or problem.status in {415, 422}


FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    b"photo\r\n--edge--\r\n"
)


def in_body(content_type: str, body: bytes) -> Photo:
    return photo_in(Request("POST", "/predict", headers={"content-type": content_type}, body=body), 1000)


@SHORT
@given(edited(FORM), st.sampled_from(["edge", '"edge"', "", "other", "edge; boundary=x", "\u00e9"]))
def test_a_form_that_is_edited_gives_a_photo_or_a_client_error(body: bytes, boundary: str) -> None:
    problem = problem_of(lambda: in_body(f"multipart/form-data; boundary={boundary}", body))
    assert problem is None or problem.status in {400, 413}


def test_the_form_is_a_good_one() -> None:
    assert in_body("multipart/form-data; boundary=edge", FORM) == Photo(image=b"photo")


@SHORT
@given(edited(json.dumps({"image": base64.b64encode(FILES["gif"]).decode()}).encode()))
def test_json_that_is_edited_gives_a_photo_or_a_client_error(body: bytes) -> None:
    problem = problem_of(lambda: in_body("application/json", body))
    assert problem is None or problem.status in {400, 413}


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "image", "a"]), inner, max_size=3)
    ),
)


@SHORT
@given(json_values)
@example({"image": "\ud800"})
@example({"image": "data:,"})
def test_any_json_gives_a_photo_or_a_client_error(value: object) -> None:
    try:
        photo = in_body("application/json", json.dumps(value).encode())
    except MalformedRequestError:
        return
    assert isinstance(value, dict)
    assert (photo.url is None) != (photo.image is None)


@SHORT
@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_body_of_any_type_gives_a_photo_or_a_client_error(body: bytes, content_type: str) -> None:
    problem = problem_of(lambda: in_body(content_type, body))
    assert problem is None or problem.status in {400, 413, 415}


def test_the_long_run_begins_well() -> None:
    kinds = {kind for kind, _status, _seconds in fuzz(seed=2, numbers=range(2000))}
    assert kinds == {"image", "multipart", "json", "event"}


def test_an_input_of_the_long_run_can_be_played_again() -> None:
    assert [Fuzzer().case(3, number)[1].content for number in range(20)] == [
        Fuzzer().case(3, number)[1].content for number in range(20)
    ]


def test_mutations_change_files_and_leave_some_good() -> None:
    chance = random.Random(1)
    good = 0
    for _ in range(200):
        data = corpus.mutated(FILES["bmp"], FILES["jpeg"], chance)
        good += problem_of(lambda data=data: decode(data, 8, 8)) is None
    assert 20 < good < 180
