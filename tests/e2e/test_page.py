"""The page in a real Chromium, against a real service; nothing leaves loopback.

SCREENSHOTS=docs takes the pictures of the README again.
"""

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Response,
    Route,
    expect,
    sync_playwright,
)

from benchmarks.robustness.display_p3 import display_p3
from serve.model import model_file
from serve.model.classifier import Classifier
from serve.page import html as page_html
from tests.conftest import ROOT, TINY, jpeg
from tests.local_service import LocalService, local_service, may_fetch_from

CAT = ROOT / "examples" / "cat.jpg"
DOG = ROOT / "examples" / "dog.jpg"
SHARED_PHOTOS = ROOT.parent / "shared" / "photos"

# No word to anybody but the service; a camera that shows a test picture, and may be used unasked.
CHROMIUM_ARGUMENTS = (
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-gpu",
    "--disable-quic", "--disable-sync", "--no-first-run", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream", "--renderer-process-limit=1",
)  # fmt: skip

# 320 CSS pixels: the narrowest that WCAG 2.2, 1.4.10, asks for.
NARROW = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    arguments = [*CHROMIUM_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def service(photo_server: str) -> Iterator[LocalService]:
    with local_service(**may_fetch_from(photo_server)) as running:
        yield running


class Visit:
    """A page that is open, and whatever went wrong in it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.goto(url)

    def _hear(self, message: ConsoleMessage) -> None:
        # An answer other than 2xx, or none: Chromium itself says so, whatever the page makes of it.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)


Open = Callable[..., Page]


@pytest.fixture(scope="module")
def plain(browser: Browser) -> BrowserContext:
    """A window without options. Its tabs share no answers."""
    return browser.new_context()


@pytest.fixture
def open_page(browser: Browser, plain: BrowserContext, service: LocalService) -> Iterator[Open]:
    """Opens the page; in the end nothing must have been complained of, and no other host asked."""
    visits: list[Visit] = []

    def open_it(at: LocalService = service, **options: Any) -> Page:
        context = browser.new_context(**options) if options else plain
        context.set_default_timeout(20_000)
        visits.append(Visit(context, at.url))
        return visits[-1].page

    yield open_it
    for visit in visits:
        visit.page.close()
        if visit.page.context != plain:
            visit.page.context.close()
    for visit in visits:
        assert visit.complaints == []
        assert all(not host or host.startswith("127.0.0.1:") for host in visit.hosts), visit.hosts


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page()


def card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name))


def settled(page: Page, count: int) -> None:
    expect(page.locator(".card[aria-busy=false]")).to_have_count(count, timeout=30_000)


def probability(shown: Locator, label: str) -> float:
    return float(shown.get_by_role("meter", name=label).get_attribute("aria-valuenow") or "nan")


def percent(share: float) -> str:
    """As a person reads it: never a certainty."""
    if share < 0.001:
        return "< 0.1%"
    return "> 99.9%" if share > 0.999 else f"{share:.1%}"


def sent_bytes(response: Response) -> int:
    """The length of the photo in a form, or a little more: of the form's own lines."""
    return int(response.request.all_headers()["content-length"])


def hand_over(page: Page, event: str, files: list[tuple[str, str, bytes]], text: str = "") -> None:
    """Drop or paste files or text as a browser would: the event, with what it carries."""
    page.evaluate(
        """([event, files, text]) => {
          const carried = new DataTransfer();
          for (const [name, type, bytes] of files) {
            carried.items.add(new File([new Uint8Array(bytes)], name, { type }));
          }
          if (text) carried.setData("text/plain", text);
          const [Kind, key] = event === "drop" ? [DragEvent, "dataTransfer"] : [ClipboardEvent, "clipboardData"];
          const target = document.querySelector(event === "drop" ? "footer" : "body");
          target.dispatchEvent(new Kind(event, { [key]: carried, bubbles: true, cancelable: true }));
        }""",
        [event, [[name, kind, list(content)] for name, kind, content in files], text],
    )


# ---- The ways in -----------------------------------------------------------------------------------------------------


def test_a_chosen_photo_gets_its_answer_with_all_that_is_known_of_it(page: Page, cat_jpeg: bytes) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Cat or dog?")
    expect(page.locator("#closed")).to_contain_text("“cat” and “dog”. Given a photo of anything else, it still answers")
    with page.expect_file_chooser() as chooser, page.expect_response("**/predict") as answered:
        page.get_by_role("button", name="Choose photos").click()
        chooser.value.set_files(CAT)
    answer = answered.value.json()
    settled(page, 1)
    shown = card(page, "cat.jpg")
    expect(shown.locator(".label")).to_have_text(answer["label"])
    assert probability(shown, "dog") == pytest.approx(answer["probability"])
    assert probability(shown, "cat") == pytest.approx(1 - answer["probability"])
    expect(shown.locator(".said .number")).to_have_text(percent(1 - answer["probability"]))
    expect(shown.locator("dl")).to_be_hidden()
    shown.get_by_text("Details").click()
    expect(shown.locator("code")).to_have_text(answer["model_version"])
    assert shown.locator("dt").all_inner_texts() == ["Total", "Network", "Decode", "Inference"]
    assert all(re.fullmatch(r"[\d.]+ ms", text) for text in shown.locator("dd").all_inner_texts())
    assert shown.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 451
    expect(page.get_by_role("status")).to_contain_text("cat.jpg: cat, ")
    # It was small enough: it went as it was.
    assert 0 <= sent_bytes(answered.value) - len(cat_jpeg) < 400


def test_an_uncertain_answer_looks_uncertain_and_says_why(
    open_page: Open, page: Page, uncertain_model_path: Path, photo_server: str
) -> None:
    page.set_input_files("#files", CAT)
    settled(page, 1)
    expect(card(page, "cat.jpg")).not_to_contain_text("Uncertain")
    with local_service(**may_fetch_from(photo_server), MODEL_PATH=str(uncertain_model_path)) as uncertain:
        doubting = open_page(at=uncertain)
        doubting.set_input_files("#files", CAT)
        settled(doubting, 1)
        shown = card(doubting, "cat.jpg")
        expect(shown.locator(".label")).to_have_text("Uncertain")
        expect(shown.locator(".doubt")).to_contain_text("is below the model's threshold, > 99.9%. The photo may show")
        expect(doubting.get_by_role("status")).to_contain_text("uncertain")


def test_a_pasted_photo(page: Page, cat_jpeg: bytes) -> None:
    hand_over(page, "paste", [("mine.jpg", "image/jpeg", cat_jpeg)])
    settled(page, 1)
    expect(card(page, "mine.jpg").locator(".label")).to_have_text("cat")


def test_a_photo_is_dropped_beside_the_frame(page: Page) -> None:
    """By the browser itself, which would open the file in place of the page."""
    devtools = page.context.new_cdp_session(page)
    carried = {"items": [], "files": [str(CAT)], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": step, "x": 3, "y": 3, "data": carried})
    settled(page, 1)
    expect(card(page, "cat.jpg").locator(".label")).to_have_text("cat")


def test_an_address_is_typed_pasted_or_dropped(page: Page, photo_server: str) -> None:
    field = page.get_by_label("Or enter the address of a photo on the web")
    field.fill(f"{photo_server}/cat.jpg?typed")
    page.get_by_role("button", name="Classify").click()
    settled(page, 1)
    expect(field).to_have_value("")
    hand_over(page, "paste", [], f"{photo_server}/cat.jpg?pasted")
    settled(page, 2)
    hand_over(page, "drop", [], f"{photo_server}/cat.jpg?dropped")
    settled(page, 3)
    expect(page.locator(".label")).to_have_text(["cat"] * 3)
    shown = page.locator(".card").first
    assert "Fetch" in shown.locator("dt").all_text_contents()
    link = shown.get_by_role("link")
    expect(link).to_have_attribute("href", f"{photo_server}/cat.jpg?dropped")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


@pytest.mark.parametrize("text", ["{0}/cat.jpg?1\n{0}/cat.jpg?2\n", "# two\r\n{0}/cat.jpg?1\r\n{0}/cat.jpg?2"])
def test_every_address_of_a_list_is_a_photo(page: Page, photo_server: str, text: str) -> None:
    hand_over(page, "paste", [], text.format(photo_server))
    settled(page, 2)
    expect(page.locator(".label")).to_have_text(["cat"] * 2)


@pytest.mark.parametrize("address", ["", "cat.jpg", "javascript:alert(1)", "file:///etc/passwd"])
def test_what_is_no_address_is_told_at_once(page: Page, address: str) -> None:
    field = page.get_by_label("Or enter the address")
    field.fill(address)
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("http:// or https://")
    expect(field).to_be_focused()
    expect(page.locator(".card")).to_have_count(0)


def test_a_photo_from_the_camera(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Take a photo")
    take = dialog.get_by_role("button", name="Take the photo")
    expect(take).to_be_focused()
    assert page.locator("video").evaluate("video => video.videoWidth") > 0
    take.click()
    expect(dialog).to_be_hidden()
    settled(page, 1)
    expect(card(page, "Camera").locator(".label")).to_have_text(re.compile("cat|dog|Uncertain"))
    assert page.locator("video").evaluate("video => video.srcObject") is None


def test_a_camera_that_may_not_be_used(page: Page) -> None:
    refuse = "async () => { throw new DOMException('', 'NotAllowedError') }"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refuse} }}")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("may not use the camera")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_phone_opens_its_own_camera(open_page: Open) -> None:
    page = open_page(has_touch=True, is_mobile=True, viewport=NARROW)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Use the camera").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"


@pytest.mark.parametrize(("name", "label"), [("a cat", "cat"), ("a dog", "dog"), ("an owl", None)])
def test_an_example_is_one_click(page: Page, name: str, label: str | None) -> None:
    page.get_by_role("button", name=f"Example: {name}", exact=True).click()
    settled(page, 1)
    if label:
        expect(page.locator(".label")).to_have_text(label)


def test_the_camera_classifies_live_until_it_is_told_to_stop(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Take a photo")
    live = dialog.get_by_role("button", name="Classify live")
    with page.expect_response("**/predict"):
        live.click()
    expect(live).to_have_attribute("aria-pressed", "true")
    expect(dialog.get_by_role("meter")).to_have_count(2)
    with page.expect_response("**/predict"):
        pass  # frame after frame
    live.click()
    expect(dialog.get_by_role("meter")).to_have_count(0)
    live.click()
    # As when another tab comes to the front.
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', { value: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    expect(live).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    expect(page.locator(".card")).to_have_count(0)


# ---- What can go wrong -----------------------------------------------------------------------------------------------


def test_a_wrong_file_is_told_in_plain_words(page: Page) -> None:
    page.set_input_files("#files", [ROOT / "LICENSE", ROOT / "models" / "metadata.json"])
    settled(page, 2)
    for name, cause in (("LICENSE", "not an image of a supported format"), ("metadata.json", "JSON")):
        shown = card(page, name)
        expect(shown.locator(".wrong")).to_have_text(
            f"The file is {cause}: send a JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC file."
        )
        expect(shown.get_by_role("button", name="again")).to_have_count(0)


def test_a_huge_file_is_refused_in_plain_words(page: Page, tmp_path: Path) -> None:
    huge = tmp_path / "huge.jpg"
    huge.write_bytes(bytes(40_000_000))
    page.set_input_files("#files", huge)  # by its path: the bytes themselves take the driver most of a minute
    settled(page, 1)
    expect(card(page, "huge.jpg").locator(".wrong")).to_contain_text("Send a smaller one")


def test_an_address_that_leads_nowhere(page: Page, photo_server: str) -> None:
    field = page.get_by_label("Or enter the address")
    for address in (f"{photo_server}/missing.jpg", "http://192.168.0.1/cat.jpg"):
        field.fill(address)
        field.press("Enter")
    settled(page, 2)
    expect(card(page, "missing.jpg").locator(".wrong")).to_contain_text("did not answer with the image")
    expect(card(page, "missing.jpg").get_by_role("button", name="Try again: missing.jpg")).to_be_visible()
    expect(page.locator(".card").first.locator(".wrong")).to_contain_text("does not fetch from this URL's host")


def test_the_server_goes_away_and_comes_back(open_page: Open, photo_server: str) -> None:
    with local_service(**may_fetch_from(photo_server)) as service:
        page = open_page(at=service)
        page.set_input_files("#files", CAT)
        settled(page, 1)
        service.stop()
        page.set_input_files("#files", [CAT, CAT])
        settled(page, 3)
        expect(page.locator(".wrong:visible")).to_have_text(["The service does not answer."] * 2)
        expect(page.locator("#gone")).to_be_visible()
        page.get_by_role("button", name="Try again", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("Still no answer.")
        service.start()
        page.locator(".card").first.get_by_role("button", name="Try again: cat.jpg").click()
        expect(page.locator(".label:visible")).to_have_count(2)
        expect(page.locator("#gone")).to_be_hidden()
        page.locator(".wrong:visible").locator("..").get_by_role("button").click()
        expect(page.locator(".label:visible")).to_have_text(["cat"] * 3)


def test_a_page_that_opens_before_its_server_finds_it_later(open_page: Open, photo_server: str) -> None:
    with local_service(**may_fetch_from(photo_server)) as service:
        page = open_page(at=service)
        service.stop()
        page.set_input_files("#files", [CAT, CAT])
        settled(page, 2)
        service.start()
        page.locator("#gone").get_by_role("button").click()
        expect(page.locator("#gone")).to_be_hidden()
        expect(page.locator(".label:visible")).to_have_text(["cat"] * 2)


def test_answers_that_are_not_the_services_own(page: Page) -> None:
    """API Gateway's, or a proxy's."""
    told = {413: "too large to be sent", 403: "does not take photos", 429: "busy", 500: "status 500"}
    for status, words in told.items():
        page.route("**/predict", answer_with(status))
        page.set_input_files("#files", CAT)
        expect(page.locator(".card").first.locator(".wrong")).to_contain_text(words)
        page.unroute("**/predict")


def answer_with(status: int) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, body='{"message": "No"}')


def hold(held: list[Route], route: Route) -> None:
    """Leave a request without an answer, for now."""
    held.append(route)


# ---- Many photos -----------------------------------------------------------------------------------------------------


def test_ten_at_once_go_four_at_a_time_and_show_how_far_they_are(page: Page, cat_jpeg: bytes) -> None:
    held: list[Route] = []
    page.route("**/predict", partial(hold, held))
    hand_over(page, "drop", [(f"photo-{number}.jpg", "image/jpeg", cat_jpeg) for number in range(9)])
    page.set_input_files("#files", ROOT / "LICENSE")
    progress = page.get_by_role("progressbar", name="Photos done")
    expect(page.locator("#count")).to_have_text("0 of 10 done")
    expect(page.locator(".wait").filter(has_text="Looking")).to_have_count(4)
    for done in range(1, 10):
        while not held:
            page.wait_for_timeout(10)
        held.pop(0).continue_()
        expect(page.locator("#count")).to_have_text(f"{done} of 10 done")
        assert progress.evaluate("bar => [bar.value, bar.max]") == [done, 10]
        assert len(held) <= 4
    while not held:
        page.wait_for_timeout(10)
    held.pop().continue_()
    settled(page, 10)
    expect(progress).to_be_hidden()
    expect(page.locator(".label:visible")).to_have_text(["cat"] * 9)
    expect(page.locator(".wrong:visible")).to_have_count(1)
    page.get_by_role("button", name="Remove photo-3.jpg").click()
    expect(page.locator(".card")).to_have_count(9)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#results")).to_be_hidden()
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


# ---- Photos are made smaller, the answer stays -----------------------------------------------------------------------


def large_photos(folder: Path) -> list[Path]:
    """Photos as cameras make them, 12 megapixels and more: upright and lying, plain, in color profiles, transparent."""
    skimage_data = pytest.importorskip("skimage.data", reason="photos of scikit-image's wheel: the dev environment")
    sources = [Image.open(CAT), Image.fromarray(skimage_data.astronaut()), Image.fromarray(skimage_data.coffee())]
    if SHARED_PHOTOS.is_dir():
        sources += [
            Image.open(path) for kind in ("cat", "dog") for path in sorted((SHARED_PHOTOS / kind).glob("*"))[:6]
        ]
    made = []
    for number, source in enumerate(sources):
        photo = source.convert("RGB")
        photo = photo.resize((4032, 4032 * photo.height // photo.width), Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[0x0112] = (1, 6, 3, 8)[number % 4]  # EXIF's orientation: upright, or turned by a quarter each
        made.append(folder / f"large-{number}.jpg")
        photo.save(made[-1], quality=93, exif=exif, icc_profile=display_p3() if number % 3 == 1 else None)
    transparent = Image.open(CAT).convert("RGBA").resize((2400, 1600))
    transparent.putalpha(Image.radial_gradient("L").resize(transparent.size))
    transparent.save(folder / "large.png")
    return [*made, folder / "large.png"]


KEEP_SENT = """() => {
  const append = FormData.prototype.append;
  FormData.prototype.append = function (...given) {
    if (given[1] instanceof Blob) window.sent = given[1];
    return append.apply(this, given);
  };
}"""
MIDDLE_OF_SENT = """async () => {
  const picture = await createImageBitmap(window.sent);
  const pixel = new OffscreenCanvas(1, 1).getContext("2d");
  pixel.drawImage(picture, -picture.width / 2, -picture.height / 2);
  return [...pixel.getImageData(0, 0, 1, 1).data];
}"""


def test_a_large_photo_is_made_smaller_and_keeps_its_answer(page: Page, tmp_path: Path) -> None:
    """Between two encodings of one photo an int8 network's probability moves a little; most where it is undecided."""
    page.evaluate(KEEP_SENT)
    classifier = Classifier(ROOT / "models" / "cats_dogs.tflite")
    moved = []
    for path in large_photos(tmp_path):
        before = classifier.classify(path.read_bytes()).probability
        with page.expect_response("**/predict") as answered:
            page.set_input_files("#files", path)
        after = answered.value.json()["probability"]
        assert sent_bytes(answered.value) < path.stat().st_size / 2
        if path.suffix == ".png":
            assert min(page.evaluate(MIDDLE_OF_SENT)) > 250  # white, where the photo is transparent
        moved.append(abs(after - before))
        assert moved[-1] < 0.02 + before * (1 - before), (path.name, before, after)
        assert (after >= 0.5) == (before >= 0.5) or abs(before - 0.5) < 0.1, (path.name, before, after)
        expect(page.locator(".card").first.locator(".fine")).to_contain_text("instead of")
    assert sum(moved) / len(moved) < 0.05, moved
    assert "Shrink" in page.locator(".card").first.locator("dt").all_text_contents()


def test_a_photo_that_is_small_or_that_the_browser_cannot_read_goes_as_it_is(page: Page, tmp_path: Path) -> None:
    small, wide = tmp_path / "small.jpg", tmp_path / "wide.jpg"
    Image.open(CAT).resize((1600, 1064)).save(small, quality=90)
    Image.open(CAT).resize((6000, 700)).save(wide, quality=90)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff" + bytes(1_500_000))
    for path in (small, wide, broken):
        with page.expect_response("**/predict") as answered:
            page.set_input_files("#files", path)
        assert 0 <= sent_bytes(answered.value) - path.stat().st_size < 400
    settled(page, 3)
    expect(card(page, "broken.jpg").locator(".wrong")).to_contain_text("The JPEG image cannot be decoded")


def test_a_heic_photo_is_answered_with_a_stand_in_for_its_picture(page: Page) -> None:
    """Chromium does not show HEIC."""
    page.set_input_files("#files", ROOT / "examples" / "cat.heic")
    settled(page, 1)
    shown = card(page, "cat.heic")
    expect(shown.locator(".label")).to_have_text("cat")
    expect(shown.locator(".photo svg")).to_be_visible()
    expect(shown.locator(".photo img")).to_have_count(0)


# ---- Answers are looked at ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_answer_is_in_sight(open_page: Open, width: int, height: int) -> None:
    page = open_page(viewport={"width": width, "height": height})
    page.set_input_files("#files", [CAT, DOG])
    settled(page, 2)
    expect(page.locator(".label").first).to_be_in_viewport(ratio=1)
    expect(page.locator(".shares").first).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") == 0


def test_the_whole_photo_is_shown(page: Page) -> None:
    page.set_input_files("#files", CAT)
    settled(page, 1)
    assert page.locator(".photo img").evaluate("image => getComputedStyle(image).objectFit") == "contain"


@pytest.fixture(scope="module")
def seven(seven_model_path: Path) -> Iterator[LocalService]:
    with local_service(MODEL_PATH=str(seven_model_path)) as running:
        yield running


@pytest.fixture(scope="module")
def explaining(model_path: Path) -> Iterator[LocalService]:
    """A service whose answers about cats and dogs can be explained."""
    with local_service(MODEL_PATH=str(model_path)) as running:
        yield running


def plain_photo(name: str, color: str) -> Any:
    """A photo of one color, to be chosen."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": jpeg(Image.new("RGB", (90, 60), color))}


def test_more_than_two_labels_show_the_five_most_probable(open_page: Open, seven: LocalService) -> None:
    page = open_page(at=seven)
    expect(page.locator("h1")).to_have_text("Which one is it?")
    expect(page.locator("#closed")).to_contain_text("“black”, “blue”, “gray”, “green”, “red”, “white”, and “yellow”")
    expect(page.locator("#examples")).to_be_hidden()
    with page.expect_response("**/predict") as answered:
        page.set_input_files("#files", CAT)
    settled(page, 1)
    probabilities = answered.value.json()["probabilities"]
    expected = sorted(probabilities, key=probabilities.__getitem__, reverse=True)[:5]
    assert page.locator(".shares .name").all_inner_texts() == expected
    expect(page.locator(".label")).to_have_text(expected[0])
    expect(page.locator(".said .number")).to_have_text(percent(probabilities[expected[0]]))
    assert probability(page.locator(".card"), expected[4]) == probabilities[expected[4]]


def test_more_than_two_labels_are_filtered_and_saved(open_page: Open, seven: LocalService) -> None:
    page = open_page(at=seven)
    page.set_input_files("#files", [plain_photo(f"{color}.jpg", color) for color in ("red", "yellow", "blue")])
    settled(page, 3)
    filters = page.get_by_role("group", name="Show only")
    assert filters.get_by_role("button").all_inner_texts() == ["All 3", "Blue 1", "Red 1", "Yellow 1"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = {row["label"]: row for row in csv.DictReader(file)}
    assert float(rows["red"]["P(red)"]) == float(rows["red"]["probability"]) > 0.9 > float(rows["red"]["P(blue)"])


def test_the_camera_shows_five_of_more_labels(open_page: Open, seven: LocalService) -> None:
    page = open_page(at=seven)
    page.get_by_role("button", name="Use the camera").click()
    with page.expect_response("**/predict"):
        page.get_by_role("button", name="Classify live").click()
    expect(page.get_by_role("dialog").get_by_role("meter")).to_have_count(5)


def test_what_it_looked_at_is_laid_over_the_photo(open_page: Open, explaining: LocalService) -> None:
    page = open_page(at=explaining, viewport={"width": 1280, "height": 1000})
    both = Image.new("RGB", (120, 60), (230, 100, 60))  # to the model a cat, and to its right something else
    both.paste(Image.new("RGB", (50, 60), (100, 110, 130)), (70, 0))
    page.set_input_files("#files", {"name": "wide.jpg", "mimeType": "image/jpeg", "buffer": jpeg(both, quality=95)})
    settled(page, 1)
    shown = card(page, "wide.jpg")
    button = shown.get_by_role("button", name="What did it look at?")
    expect(page.locator(".heat")).to_have_count(0)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    picture = shown.get_by_role("img", name="Heat map. Warm: speaks for “cat”, most at the ")
    expect(picture).to_have_attribute("aria-label", re.compile("left. Cool: speaks against it"))
    expect(shown.locator(".legend")).to_be_visible()
    # It is drawn in the shape of the photo, as the photo is: whole, and in the middle.
    sizes = (
        "e => [e.width, e.height, getComputedStyle(e).objectFit, ...Object.values(e.getBoundingClientRect().toJSON())]"
    )
    width, height, fit, *box = picture.evaluate(sizes)
    assert (width / height, fit) == (2, "contain")
    assert box == shown.locator(".photo img").evaluate(sizes)[3:]
    row = picture.evaluate("e => [...e.getContext('2d').getImageData(0, e.height / 2, e.width, 1).data]")
    warm, cool = (row[4 * place : 4 * place + 4] for place in (width // 8, width * 7 // 8))
    assert warm[0] > 200 > cool[0]
    assert cool[2] > 200 > warm[2]
    nothing_found(page)
    page.reload()  # the answer stays, with its explanation
    settled(page, 1)
    expect(page.locator(".photo.shown")).to_have_count(1)
    button.press("Enter")
    expect(page.locator(".heat")).to_have_count(1)
    button.press("Enter")
    expect(page.locator(".heat")).to_have_count(0)
    expect(shown.locator(".legend")).to_be_hidden()


def test_a_photo_that_is_not_shown_has_no_heat_map(open_page: Open, model_path: Path, photo_server: str) -> None:
    with local_service(**may_fetch_from(photo_server), MODEL_PATH=str(model_path)) as running:
        page = open_page(at=running)
        page.set_input_files("#files", ROOT / "examples" / "cat.heic")  # Chromium shows none
        page.get_by_label("Or enter the address").fill(f"{photo_server}/cat.jpg")
        page.keyboard.press("Enter")
        settled(page, 2)
        expect(page.locator(".label")).to_have_text(["cat"] * 2)
        expect(page.locator(".look")).to_have_count(2)
        expect(page.locator(".look:visible")).to_have_count(0)


def test_a_model_without_a_map_is_not_asked_for_one(open_page: Open, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack((TINY / "three_numbers.tflite").read_bytes(), ("ant", "bee", "cow"), None, {}))
    with local_service(MODEL_PATH=str(file)) as running:
        page = open_page(at=running)
        page.set_input_files("#files", CAT)
        settled(page, 1)
        expect(page.locator(".label")).to_have_text(re.compile("ant|bee|cow"))
        expect(page.locator(".look")).to_have_count(0)


def test_answers_are_filtered_by_label_and_counted(page: Page) -> None:
    page.set_input_files("#files", [CAT, DOG, ROOT / "LICENSE"])
    settled(page, 3)
    filters = page.get_by_role("group", name="Show only")
    assert filters.get_by_role("button").all_inner_texts() == ["All 3", "Cat 1", "Dog 1", "Failed 1"]
    filters.get_by_role("button", name="dog 1").click()
    expect(page.locator(".card:visible")).to_have_count(1)
    expect(page.locator(".card:visible .label")).to_have_text("dog")
    page.locator(".card:visible .remove").click()
    expect(page.locator(".card:visible")).to_have_count(2)  # nothing is left of it: all are shown


def test_the_keyboard_stays_where_it_is_under_a_filter(page: Page) -> None:
    page.set_input_files("#files", [CAT, DOG, CAT])
    settled(page, 3)
    cats = page.get_by_role("group", name="Show only").get_by_role("button", name="cat 2")
    cats.focus()
    page.keyboard.press("Enter")
    expect(cats).to_be_focused()
    expect(cats).to_have_attribute("aria-pressed", "true")
    visible = page.locator(".card:visible .remove")
    visible.first.focus()
    page.keyboard.press("Enter")
    expect(visible).to_have_count(1)
    expect(visible).to_be_focused()


def test_what_is_added_or_tried_again_is_in_sight(page: Page) -> None:
    page.set_input_files("#files", [CAT, DOG])
    settled(page, 2)
    filters = page.get_by_role("group", name="Show only")
    filters.get_by_role("button", name="dog 1").click()
    page.route("**/predict", lambda route: route.abort())
    page.set_input_files("#files", {"name": "new.jpg", "mimeType": "image/jpeg", "buffer": CAT.read_bytes()})
    expect(card(page, "new.jpg").locator(".wrong")).to_be_visible()
    filters.get_by_role("button", name="failed 1").click()
    held: list[Route] = []
    page.route("**/predict", partial(hold, held))
    card(page, "new.jpg").locator(".retry").click()
    expect(card(page, "new.jpg").locator(".wait")).to_be_visible()


def test_a_base_path_needs_no_slash_at_its_end(open_page: Open) -> None:
    with local_service(BASE_PATH="/v1") as running:
        page = open_page(running)
        page.goto(f"{running.url}/v1?from=a-link")
        expect(page.locator("#model code")).to_be_visible()
        page.set_input_files("#files", CAT)
        settled(page, 1)
        expect(page.locator(".label")).to_have_text("cat")
        assert page.url == f"{running.url}/v1/?from=a-link"


# What a browser hands over for a folder, or for a file that was deleted since it was chosen.
GONE = """add([{ file: Object.assign(new File(["x"], "photos"), {
    slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException("", "NotFoundError")) }) }) }])"""


def test_a_folder_or_a_file_that_has_gone_is_no_fault_of_the_service(page: Page) -> None:
    page.evaluate(GONE)
    settled(page, 1)
    expect(page.locator(".card .wrong")).to_have_text(re.compile("cannot be read. If it is a folder"))
    expect(page.locator(".retry")).to_be_hidden()
    expect(page.locator("#gone")).to_be_hidden()


def test_labels_may_be_long_and_called_as_anything_else_is(open_page: Open) -> None:
    page = open_page(viewport=NARROW)
    labels = ["american_staffordshire_terrier", "all", "failed"]
    answers = [{label: 0.98 if label == first else 0.01 for label in labels} for first in labels]

    def answer(route: Route) -> None:
        probabilities = answers.pop()
        label = max(probabilities, key=probabilities.__getitem__)
        known = {"label": label, "probability": 0.98, "probabilities": probabilities, "model_version": "m"}
        route.fulfill(json=known)

    page.route("**/predict", answer)
    page.set_input_files("#files", [CAT, CAT, CAT])
    settled(page, 3)
    for part in (".answer", ".said"):
        assert all(shown.evaluate("(one) => one.scrollWidth <= one.clientWidth") for shown in page.locator(part).all())
    filters = page.get_by_role("group", name="Show only").get_by_role("button")
    assert filters.all_inner_texts() == ["All 3", "All 1", "American_staffordshire_terrier 1", "Failed 1"]
    filters.nth(3).click()
    expect(page.locator(".card:visible .label")).to_have_text("failed")


def test_a_photo_that_comes_before_the_service_has_answered_is_there_once(page: Page) -> None:
    page.set_input_files("#files", CAT)
    settled(page, 1)
    held: list[Route] = []
    page.route("**/health", partial(hold, held))
    page.reload()
    page.evaluate(GONE)
    expect(page.locator(".wrong:visible")).to_have_count(1)
    held.pop().continue_()
    settled(page, 2)
    page.unroute("**/health")
    page.reload()
    settled(page, 2)
    expect(page.locator(".wrong:visible")).to_have_count(1)
    expect(page.locator(".label:visible")).to_have_text(["cat"])


def test_an_address_that_was_refused_for_good_is_not_tried_again_after_a_reload(page: Page) -> None:
    page.get_by_label("Or enter the address").fill("http://127.0.0.2/cat.jpg")
    page.keyboard.press("Enter")
    settled(page, 1)
    expect(page.locator(".retry")).to_be_hidden()
    page.reload()
    settled(page, 1)
    expect(page.locator(".card .wrong")).to_be_visible()
    expect(page.locator(".retry")).to_be_hidden()


def test_a_model_that_is_replaced_is_noticed(page: Page, seven: LocalService, explaining: LocalService) -> None:
    def of(service: LocalService) -> Callable[[Route], None]:
        return lambda route: route.continue_(url=f"{service.url}{urlsplit(route.request.url).path}")

    page.route(re.compile("/(health|predict)$"), of(explaining))
    page.reload()
    page.set_input_files("#files", CAT)
    settled(page, 1)
    expect(page.locator(".look")).to_have_count(1)
    page.route(re.compile("/(health|predict)$"), of(seven))
    page.set_input_files("#files", [plain_photo("red.jpg", "red")])
    settled(page, 2)
    expect(card(page, "red.jpg").locator(".label")).to_have_text("red")
    expect(page.get_by_role("heading", level=1)).to_have_text("Which one is it?")


def test_answers_of_another_model_are_not_kept(page: Page) -> None:
    page.set_input_files("#files", CAT)
    settled(page, 1)
    page.evaluate("""for (const [key, value] of Object.entries(sessionStorage))
        sessionStorage[key] = value.replace(/"model_version":"[^"]*"/, '"model_version":"another"')""")
    page.reload()
    expect(page.locator("#model code")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_what_was_cleared_while_it_was_written_stays_away(page: Page) -> None:
    page.set_input_files("#files", [CAT, DOG])
    settled(page, 2)
    page.evaluate("""(() => { for (const photo of photos.values()) delete photo.thumbnail;
        remember(); document.getElementById("clear").click(); })()""")
    page.wait_for_timeout(500)
    page.reload()
    expect(page.locator("#model code")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_a_camera_that_is_allowed_twice_is_stopped_twice(page: Page) -> None:
    page.evaluate("""(() => { const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        window.streams = [];
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          const stream = await ask(wanted);
          streams.push(stream);
          await new Promise((done) => setTimeout(done, 300));
          return stream;
        }; })()""")
    for _ in range(2):
        page.evaluate("""document.getElementById("camera").click()""")
        page.wait_for_timeout(100)
        page.evaluate("""document.getElementById("studio").close()""")
    page.evaluate("""document.getElementById("camera").click()""")
    expect(page.locator("#shoot")).to_be_enabled()
    expect(page.locator("#camera-wrong")).to_be_hidden()
    page.evaluate("""document.getElementById("studio").close()""")
    expect(page.locator("#shoot")).to_be_disabled()
    ended = (
        "streams.length === 3 && streams.every((one) => one.getTracks().every((track) => track.readyState === 'ended'))"
    )
    page.wait_for_function(ended)


def test_answers_survive_a_reload_of_the_tab(page: Page, photo_server: str) -> None:
    page.set_input_files("#files", [CAT, ROOT / "LICENSE"])
    page.get_by_label("Or enter the address").fill(f"{photo_server}/cat.jpg")
    page.keyboard.press("Enter")
    settled(page, 3)
    expect(page.locator(".photo.shown")).to_have_count(1)
    before = page.locator(".about").all_inner_texts()
    page.reload()
    settled(page, 3)
    assert page.locator(".about").all_inner_texts() == before
    expect(page.locator(".photo.shown img")).to_have_attribute("src", re.compile("^data:image/jpeg"))
    page.get_by_role("button", name="Clear").click()
    page.reload()
    expect(page.locator("#model code")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_all_answers_are_a_csv_file(page: Page) -> None:
    page.set_input_files("#files", {"name": '=a,"b".jpg', "mimeType": "image/jpeg", "buffer": CAT.read_bytes()})
    page.set_input_files("#files", ROOT / "LICENSE")
    settled(page, 2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # Without a byte order mark, a spreadsheet takes UTF-8 for something else.
    assert download.value.path().read_bytes().startswith(b"\xef\xbb\xbf")
    assert [(row["photo"], row["label"]) for row in rows] == [('\'=a,"b".jpg', "cat"), ("LICENSE", "")]
    assert "not an image" in rows[1]["error"]


def test_an_answer_is_copied_as_a_command_that_gives_it(open_page: Open, tmp_path: Path, service: LocalService) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    name = "it's a cat.jpg"
    (tmp_path / name).write_bytes(CAT.read_bytes())
    page.set_input_files("#files", tmp_path / name)
    settled(page, 1)
    page.get_by_text("Details").click()
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    command = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert {"photo": name, **json.loads(done.stdout)} == copied


# ---- For everybody ---------------------------------------------------------------------------------------------------


def test_with_the_keyboard_alone(page: Page, photo_server: str) -> None:
    # From the start: Playwright does not wait until it has the browser's word that it will be told, and a key is quick.
    page.on("filechooser", lambda chooser: chooser.set_files(CAT))
    expect(page.locator("#model code")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    settled(page, 1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take the photo")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type(f"{photo_server}/cat.jpg")
    page.keyboard.press("Enter")
    settled(page, 2)
    for name in ("Classify", "Download CSV", "Clear"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".card").first.get_by_role("link")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".card").first.locator("summary")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(".card")).to_have_count(1)
    expect(page.get_by_role("button", name="Remove cat.jpg")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


def test_nothing_is_wider_than_a_narrow_screen(open_page: Open, photo_server: str) -> None:
    page = open_page(viewport=NARROW)
    name = "a-very-long-name-without-any-place-to-break-" * 4 + ".jpg"
    page.set_input_files("#files", {"name": name, "mimeType": "image/jpeg", "buffer": CAT.read_bytes()})
    page.set_input_files("#files", ROOT / "LICENSE")
    page.get_by_label("Or enter the address").fill(f"{photo_server}/{'x' * 200}")
    page.keyboard.press("Enter")
    settled(page, 3)
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    heights = [button.evaluate("button => button.offsetHeight") for button in page.get_by_role("button").all()]
    assert min(heights) >= 36  # WCAG 2.2, 2.5.8, asks for 24; fingers want more


def test_bars_are_seen_with_forced_colors(open_page: Open) -> None:
    page = open_page(forced_colors="active")
    page.set_input_files("#files", CAT)
    settled(page, 1)
    bar = page.get_by_role("meter", name="cat")
    assert bar.evaluate("bar => getComputedStyle(bar).borderTopStyle") == "solid"
    fill, ground = (
        bar.locator("span").evaluate(f"e => getComputedStyle({e}).backgroundColor") for e in ("e", "document.body")
    )
    assert fill != ground


def test_the_page_can_be_mirrored_for_scripts_from_right_to_left(open_page: Open) -> None:
    page = open_page(viewport=NARROW)
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.set_input_files("#files", CAT)
    settled(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    card_box, remove_box = page.locator(".card").bounding_box(), page.locator(".remove").bounding_box()
    assert card_box
    assert remove_box
    assert remove_box["x"] < card_box["x"] + card_box["width"] / 2


def test_the_notice_for_browsers_without_scripts_reads_as_one_sentence(page: Page) -> None:
    # Chromium parses <noscript> as text where only the tool switches scripts off: the notice is put where it shows.
    notice = re.search(r"<noscript>(.*?)</noscript>", page_html(), re.DOTALL)
    assert notice
    shown = page.context.new_page()
    shown.set_content(page_html().replace(notice[0], notice[1]))
    sentence = shown.get_by_text("This page needs JavaScript. Without it, send a photo to POST /predict.")
    expect(sentence).to_be_visible()
    assert sentence.evaluate("notice => getComputedStyle(notice).display") == "block"


def test_who_wants_less_motion_gets_none(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    page.set_input_files("#files", CAT)
    settled(page, 1)
    assert page.locator(".card").evaluate("card => getComputedStyle(card).animationDuration") == "0s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(open_page: Open, photo_server: str, scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator("#model code")).to_be_visible()
    nothing_found(page)
    page.set_input_files("#files", [CAT, ROOT / "LICENSE"])
    page.get_by_label("Or enter the address").fill("nonsense")
    page.keyboard.press("Enter")
    settled(page, 2)
    nothing_found(page)
    held: list[Route] = []
    page.route("**/predict", partial(hold, held))
    page.get_by_label("Or enter the address").fill(f"{photo_server}/cat.jpg")
    page.keyboard.press("Enter")
    expect(page.locator(".card[aria-busy=true]")).to_have_count(1)
    nothing_found(page)
    page.route("**/predict", lambda route: route.abort())
    page.set_input_files("#files", [CAT, CAT])
    expect(page.locator("#gone")).to_be_visible()
    expect(page.locator("#retry")).to_be_visible()
    nothing_found(page)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("button", name="Take the photo")).to_be_focused()
    nothing_found(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_docs(open_page: Open, service: LocalService, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.goto(f"{service.url}/docs")
    expect(page.get_by_role("heading", name="POST /predict")).to_be_visible()
    nothing_found(page)


def nothing_found(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [json.dumps(violation)[:2000] for violation in found] == []


# ---- Shown in the README ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshot(open_page: Open, tmp_path: Path, scheme: str) -> None:
    folder = ROOT / os.environ["SCREENSHOTS"] if "SCREENSHOTS" in os.environ else tmp_path
    page = open_page(
        color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1080, "height": 780}, device_scale_factor=2
    )
    for number, name in enumerate(("owl", "dog", "cat"), 1):
        page.set_input_files("#files", ROOT / "examples" / f"{name}.jpg")
        settled(page, number)
        expect(page.locator(".photo.shown")).to_have_count(number)
    card(page, "dog.jpg").get_by_role("button", name="What did it look at?").click()
    page.evaluate("document.activeElement.blur()")
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        # 256 colors are enough for it, and a third of the bytes.
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            folder / f"page-{scheme}.png", optimize=True
        )
    assert (folder / f"page-{scheme}.png").stat().st_size < 600_000
