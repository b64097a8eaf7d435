"""The start page, in a browser."""

import base64

import pytest

from tests.serving.server import image_bytes

# Puts a file into the page as a mouse would: the file's bytes in a DataTransfer, dropped.
DROP = """
const [data, name, type] = arguments;
const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
const dropped = new DataTransfer();
dropped.items.add(new File([bytes], name, { type }));
const target = document.getElementById("drop");
for (const kind of ["dragover", "drop"])
  target.dispatchEvent(new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true }));
"""


def wait_for_text(browser, selector, wanted):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def found(_):
        return wanted in browser.find_element(By.CSS_SELECTOR, selector).text

    WebDriverWait(browser, 60).until(found)


@pytest.mark.browser
def test_an_image_dropped_on_the_page_is_answered(browser, server):
    from selenium.webdriver.common.by import By

    image = image_bytes(kind="PNG")
    body = {"instances": [{"b64": base64.b64encode(image).decode()}]}
    expected = server.ask("POST", "/v1/models/lenet:predict", body)[1]["predictions"][0]
    browser.get(server.url)
    wait_for_text(browser, "#model", "lenet")
    options = browser.find_elements(By.CSS_SELECTOR, "#model option")
    assert [option.text for option in options] == ["changing", "half", "lenet"]
    options[2].click()
    browser.execute_script(DROP, base64.b64encode(image).decode(), "seven.png", "image/png")
    wait_for_text(browser, "#status", "seven.png")
    rows = browser.find_elements(By.CSS_SELECTOR, "#answer li")
    assert [row.find_element(By.TAG_NAME, "span").text for row in rows] == expected["top_classes"]
    bars = [float(row.find_element(By.TAG_NAME, "meter").get_property("value")) for row in rows]
    assert bars == pytest.approx(expected["top_scores"], abs=1e-4)
    assert rows[0].text.endswith(f"{100 * expected['top_scores'][0]:.1f} %")

    browser.execute_script(DROP, base64.b64encode(b"no image").decode(), "note.png", "image/png")
    wait_for_text(browser, "#status", "no JPEG, PNG, GIF, BMP or WebP")
    assert browser.find_elements(By.CSS_SELECTOR, "#answer li") == []
    # Nothing but the refused request is worth a note: no script error, no breach of the policy.
    notes = [note["message"] for note in browser.get_log("browser")]
    assert all("400 (Bad Request)" in note or "favicon" in note for note in notes), notes
