"""The start page, in a browser."""

import base64
import csv
import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.serving.server import b64, image_bytes

# Puts files into the page as a mouse would: their bytes in a DataTransfer, dropped.
DROP = """
const dropped = new DataTransfer();
for (const [data, name] of arguments[0]) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  dropped.items.add(new File([bytes], name, { type: "image/png" }));
}
const target = document.getElementById("drop");
for (const kind of ["dragover", "drop"])
  target.dispatchEvent(new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true }));
"""
# Takes the text of the file that a click downloads.
DOWNLOADED = """
const done = arguments[0], made = URL.createObjectURL;
URL.createObjectURL = (blob) => { blob.text().then(done); return made.call(URL, blob); };
document.getElementById("csv").click();
"""


def wait_for_text(browser, selector, wanted):
    from selenium.webdriver.support.ui import WebDriverWait

    def found(_):
        return any(wanted in each.text for each in browser.find_elements("css selector", selector))

    WebDriverWait(browser, 60, ignored_exceptions=[Exception]).until(found)


@pytest.fixture
def page(browser, server):
    """The start page with the network of ten digits chosen; no script may fail in it."""
    browser.get(server.url)
    wait_for_text(browser, "#model", "lenet")
    options = browser.find_elements("css selector", "#model option")
    assert [option.text for option in options] == ["changing", "half", "lenet"]
    # Only what takes digits is drawn for, and only maps that come are shown.
    assert not browser.find_element("id", "pad").is_displayed()
    options[2].click()
    assert browser.find_element("id", "pad").is_displayed()
    yield browser
    # Nothing but a refused request is worth a note: no script error, no breach of the policy.
    notes = [note["message"] for note in browser.get_log("browser") if note["level"] == "SEVERE"]
    assert all("400 (Bad Request)" in note or "favicon" in note for note in notes), notes


def dropped(page, *files):
    encoded = [(base64.b64encode(data).decode(), name) for data, name in files]
    page.execute_script(DROP, encoded)


@pytest.fixture
def answers(server):
    """The server's own answers about a file."""

    def ask(data, signature="serving_default"):
        body = {"signature_name": signature, "instances": [b64(data)]}
        code, answer = server.ask("POST", "/v1/models/lenet:predict", body)
        assert code == 200
        return answer["predictions"][0]

    return ask


@pytest.mark.browser
def test_images_dropped_on_the_page_are_answered(page, answers):
    wide, blue = image_bytes((60, 30), kind="PNG"), image_bytes(colour=(9, 9, 220), kind="PNG")
    dropped(page, (wide, "wide.png"), (b"no image", "note.png"), (blue, "=blue,.png"))
    wait_for_text(page, "#status", "2 of 3 images answered")
    cards = page.find_elements("css selector", "#answers > li")
    assert [card.find_element("tag name", "h2").text for card in cards] == [
        "wide.png", "note.png", "=blue,.png",
    ]  # fmt: skip
    assert "no JPEG, PNG, GIF, BMP or WebP" in cards[1].text
    assert not cards[1].find_elements("css selector", "li, canvas")
    for card, image in zip((cards[0], cards[2]), (wide, blue), strict=True):
        expected = answers(image)
        rows = card.find_elements("css selector", "li")
        names = [row.find_element("tag name", "span").text for row in rows]
        assert names == expected["top_classes"]
        bars = [float(row.find_element("tag name", "meter").get_property("value")) for row in rows]
        assert bars == pytest.approx(expected["top_scores"], abs=1e-4)
        assert rows[0].text.endswith(f"{100 * expected['top_scores'][0]:.1f} %")
        assert "lenet, version 1" in card.text

    table = list(csv.reader(io.StringIO(page.execute_async_script(DOWNLOADED))))
    assert table[0][:5] == ["image", "model", "version", "class 1", "probability 1"]
    # The last one dropped is the last row; no spreadsheet takes a name for a formula.
    assert [row[:3] for row in table[1:]] == [
        ["'=blue,.png", "lenet", "1"],
        ["wide.png", "lenet", "1"],
    ]
    expected = answers(wide)
    assert table[2][3::2] == expected["top_classes"]
    assert [float(each) for each in table[2][4::2]] == pytest.approx(expected["top_scores"])

    page.find_element("id", "remove").click()
    assert not page.find_elements("css selector", "#answers > li")


@pytest.mark.browser
def test_numbers_of_an_image_are_shown_by_their_names(page):
    page.execute_script(
        "for (const model of models) model.explains = false;"
        "window.predict = async () => ({ names: ['age', 'height'], values: [41.23456789, -180] });"
    )
    dropped(page, (image_bytes(kind="PNG"), "a.png"))
    wait_for_text(page, "#status", "a.png: age 41.2346")
    rows = page.find_elements("css selector", "#answers li li")
    spans = [[each.text for each in row.find_elements("tag name", "span")] for row in rows]
    assert spans == [["age", "", "41.2346"], ["height", "", "-180"]]
    table = list(csv.reader(io.StringIO(page.execute_async_script(DOWNLOADED))))
    assert table == [
        ["image", "model", "version", "name 1", "number 1", "name 2", "number 2"],
        ["a.png", "lenet", "1", "age", "41.23456789", "height", "-180"],
    ]


@pytest.mark.browser
def test_the_map_lies_on_the_part_that_was_seen(page, answers):
    digit = digit_file(7)
    expected = answers(digit, "explain")
    dropped(page, (digit, "seven.png"))
    wait_for_text(page, "#status", "seven.png: ")
    canvas = page.find_element("css selector", "figure canvas")
    image = page.find_element("css selector", "figure img")
    assert canvas.get_attribute("aria-label") == (
        f"Where the network finds {expected['class']} in seven.png"
    )
    top, left, height, width = expected["seen"]
    for side, start, size in (("height", top, height), ("width", left, width)):
        assert canvas.size[side] == pytest.approx(size * image.size[side], abs=1)
        axis = "y" if side == "height" else "x"
        offset = canvas.location[axis] - image.location[axis]
        assert offset == pytest.approx(start * image.size[side], abs=1)
    brightest = page.execute_script(
        "const c = document.querySelector('figure canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return [...Array(d.length / 4).keys()].map((i) => d[4 * i] + d[4 * i + 1] + d[4 * i + 2]);"
    )
    assert np.argmax(brightest) == np.argmax(expected["map"])
    page.execute_script(
        "const s = document.getElementById('opacity'); s.value = 20;"
        "s.dispatchEvent(new Event('input'));"
    )
    assert float(canvas.value_of_css_property("opacity")) == pytest.approx(0.2)


@pytest.mark.browser
def test_a_digit_can_be_drawn_with_the_mouse_and_with_keys(page):
    from selenium.webdriver import ActionChains, Keys

    pad = page.find_element("id", "drawing")
    mouse = ActionChains(page).move_to_element_with_offset(pad, 0, -50).click_and_hold()
    mouse.move_by_offset(0, 100).release().perform()
    wait_for_text(page, "#status", "drawing 1.png: digit")
    ink = "const c = arguments[0]; return c.getContext('2d').getImageData(140, 140, 1, 1).data[0]"
    assert page.execute_script(ink, pad) == 255
    pad.send_keys(Keys.ESCAPE)
    assert page.execute_script(ink, pad) == 0
    pad.send_keys(*[Keys.ARROW_UP] * 9, " ", *[Keys.ARROW_DOWN] * 18, Keys.ENTER)
    wait_for_text(page, "#status", "drawing 2.png: digit")
    assert page.execute_script(ink, pad) == 255
    assert len(page.find_elements("css selector", "#answers > li")) == 2


@pytest.mark.browser
def test_everything_can_be_reached_with_the_keyboard(page):
    from selenium.webdriver import ActionChains, Keys

    dropped(page, (image_bytes(kind="PNG"), "a.png"))
    wait_for_text(page, "#status", "a.png: ")
    reached = set()
    for _ in range(12):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached.add(page.switch_to.active_element.get_attribute("id"))
    assert {"model", "file", "drawing", "clear", "opacity", "csv", "remove"} <= reached
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('select, input, button, canvas, img, meter')].filter("
        "(e) => !(e.labels?.length || e.ariaLabel || e.alt || e.textContent.trim()))"
        ".map((e) => e.outerHTML)"
    )
    assert unnamed == []


def digit_file(number):
    """A digit of a strip that is higher than wide."""
    pixels = np.kron(load_digits().images[number], np.ones((9, 5))) * 15.9
    with io.BytesIO() as file:
        Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
        return file.getvalue()
