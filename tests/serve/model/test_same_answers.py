"""Whatever is done for speed keeps every answer: the handler against the plain way, on many photos.

The plain way decodes the whole photo, whatever its size, and resizes it as `serve.model.preprocess` says: bilinear, by
way of `MARGIN` times the input, and nothing left out to be faster.
"""

import base64
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

import lambda_function
from serve.model import preprocess

Plain = Callable[[bytes], float]
# Decoded at a reduced scale, or averaged in blocks first, a pixel is another one by a few levels of 255. It counts most
# near P = 0.5, for uncertain photos: 0.04 was the most seen there, and less than 0.002 for photos of cats and dogs.
TOLERANCE = 0.08
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
# The fastest ways to write them.
OPTIONS = {
    "JPEG": {"quality": 92},
    "PNG": {"compress_level": 1},
    "WEBP": {"lossless": True, "method": 0, "quality": 0},
    "BMP": {},
}
# Below and above what is decoded at a reduced scale, or averaged first; even and odd, narrow and wide.
SIZES = [
    (160, 160),
    (200, 200),
    (301, 257),
    (319, 640),
    (500, 375),
    (641, 640),
    (1001, 199),
    (1600, 1200),
    (2000, 1500),
]


@pytest.fixture(scope="module")
def plain() -> Plain:
    """P(positive class), or of more than two labels P(the last), of a file's bytes, rounded as by the handler."""
    classifier = lambda_function.app.classifier
    labels, positive_class = classifier.description.labels, classifier.description.positive_class
    place = labels.index(positive_class or labels[-1])

    def probability(data: bytes) -> float:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        for scale in (preprocess.MARGIN, 1):
            height, width = (round(side * scale) for side in classifier.input_size)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return round(classifier.probabilities(image.tobytes())[place], 6)

    return probability


@pytest.fixture(scope="module", params=["scikit-image", "elsewhere"])
def photos(request: pytest.FixtureRequest, root: Path) -> list[Image.Image]:
    """Real photos, each in its own size and three times as wide and high."""
    if request.param == "scikit-image":
        data = pytest.importorskip("skimage.data", reason="needs scikit-image: it is in the dev environment")
        small = [Image.fromarray(picture()) for picture in (data.astronaut, data.chelsea, data.coffee, data.rocket)]
    else:
        folder = root.parent / "shared" / "photos"
        if not folder.is_dir():
            pytest.skip("needs ../shared (photos from elsewhere)")
        files = [file for label in ("cat", "dog") for file in sorted((folder / label).iterdir())[::20]]
        small = [Image.open(file).convert("RGB") for file in files]
    return small + [image.resize((image.width * 3, image.height * 3), Image.Resampling.BICUBIC) for image in small]


def encoded(image: Image.Image, image_format: str) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **OPTIONS[image_format])
    return file.getvalue()


def answered(data: bytes) -> float:
    """The same probability, by way of the handler."""
    answer = lambda_function.handler({"image": base64.b64encode(data).decode()}, None)
    return float([answer["probability"], *answer.get("probabilities", {}).values()][-1])


def is_reduced(data: bytes) -> bool:
    """Whether speed takes another way than the plain one: a JPEG at half its scale, or blocks averaged first."""
    side = max(lambda_function.app.classifier.input_size)
    with Image.open(io.BytesIO(data)) as image:
        return (image.format == "JPEG" and min(image.size) >= 4 * side) or max(image.size) >= 7.5 * side


def check(files: Iterable[bytes], plain: Plain) -> tuple[int, int]:
    """The answers are the same, and to the digit where speed took no other way. Returns how many are of either kind."""
    exact: list[float] = []
    close: list[float] = []
    for data in files:
        (close if is_reduced(data) else exact).append(abs(answered(data) - plain(data)))
    assert max(exact, default=0) == 0
    assert max(close, default=0) <= TOLERANCE
    return len(exact), len(close)


def test_real_photos(photos: list[Image.Image], plain: Plain) -> None:
    check((encoded(photo, "JPEG") for photo in photos), plain)


@pytest.mark.parametrize("image_format", FORMATS)
def test_sizes_and_formats(cat_jpeg: bytes, plain: Plain, image_format: str) -> None:
    photo = Image.open(io.BytesIO(cat_jpeg)).convert("RGB")
    scale = max(lambda_function.app.classifier.input_size) / 160
    sizes = [(round(width * scale), round(height * scale)) for width, height in SIZES]
    files = (encoded(photo.resize(size, Image.Resampling.BICUBIC), image_format) for size in sizes)
    assert all(check(files, plain))


def test_a_photo_of_twelve_megapixels(cat_jpeg: bytes, plain: Plain) -> None:
    data = encoded(Image.open(io.BytesIO(cat_jpeg)).resize((4000, 3000), Image.Resampling.BICUBIC), "JPEG")
    assert abs(answered(data) - plain(data)) <= TOLERANCE
