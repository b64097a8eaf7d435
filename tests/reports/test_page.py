"""The report as a page: complete, safe, and asking nobody for anything."""

import html.parser
import json
import shutil

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.reports import save_report
from tests.reports.made import made_run

ODD = ("<script>alert(1)</script>", 'a "b" & c', "猫", "{{ x }}")


class Page(html.parser.HTMLParser):
    """The tags, attributes and texts of a page."""

    VOID = ("meta", "link", "img", "input", "br", "option")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.texts, self.scripts = [], [], [], []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        where = self.scripts if self.open and self.open[-1] in ("script", "style") else self.texts
        where.append(data)


def page_of(runs, path, **options) -> Page:
    save_report(runs, path, pictures=False, latency=False, **options)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def check_alone(page: Page) -> None:
    """Nothing is asked of another computer or file."""
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "action", "data", "poster"):
            assert value.startswith(("data:", "#")), (tag, name, value)
    assert not {"iframe", "object", "embed", "form", "base"} & set(page.tags)
    for each in page.scripts:
        assert "url(" not in each
        assert "@import" not in each
        assert "fetch(" not in each


def test_a_report_holds_every_class_and_figure(tmp_path):
    labels = np.arange(40) % 4
    answers = np.where(np.arange(40) < 6, (labels + 1) % 4, labels)
    run = made_run(tmp_path / "run", ODD, answers, labels)
    page = page_of([run], tmp_path / "report.html")
    check_alone(page)
    shown = "".join(page.texts)
    for name in ODD:
        assert shown.count(name) > 3
    assert "85.00%" in shown
    for title in ("Curves", "Reliability", "ROC", "Precision and recall", "Confusion matrix",
                  "Worst mistakes", "Versions and timing", "Loss", "Accuracy"):  # fmt: skip
        assert title in shown, title
    assert "6 of 40 images were misclassified" in shown
    assert "/data/0/0.png" in shown
    assert page.tags.count("script") == 1
    assert not any(tag == "img" for tag in page.tags)
    assert all("alert(1)" not in each for each in page.scripts)
    # Every drawing says what it shows.
    labelled = [
        value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")
    ]
    assert len(labelled) == page.tags.count("svg") == 6
    assert all(len(each) > 20 for each in labelled)


def test_many_classes_can_be_searched(tmp_path):
    names = tuple(f"class <{i}>" for i in range(30))
    labels = np.arange(300) % 30
    answers = np.where(np.arange(300) % 7 == 0, (labels + 3) % 30, labels)
    run = made_run(tmp_path / "run", names, answers, labels)
    page = page_of([run], tmp_path / "report.html")
    check_alone(page)
    shown = "".join(page.texts)
    assert all(name in shown for name in names)
    pairs, held = (
        json.loads(next(each for each in page.scripts if each.startswith(start)))
        for start in ("[[", '{"images"')
    )
    assert sum(count for *_, count in pairs) == 43
    assert [count for *_, count in pairs] == sorted((c for *_, c in pairs), reverse=True)
    assert held["names"] == list(names)
    (steps,) = (json.loads(each) for each in page.scripts if each.startswith('{"precision"'))
    assert len(steps["roc"]) == len(steps["precision"]) == 30
    assert steps["roc"][0][0] == [0, 0]
    assert steps["roc"][0][-1] == [1000, 1000]
    heat = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(heat) == 1


def test_a_run_without_mistakes_says_so(tmp_path):
    labels = np.arange(9) % 3
    run = made_run(tmp_path / "run", ("a", "b", "c"), labels, labels)
    assert "made no mistakes" in "".join(page_of([run], tmp_path / "report.html").texts)


def test_a_class_without_images_has_no_curves(tmp_path):
    labels = np.zeros(9, int)
    run = made_run(tmp_path / "run", ("a", "b"), labels, labels)
    assert "ROC" not in "".join(page_of([run], tmp_path / "r.html").texts).replace("under ROC", "")


def test_a_run_of_an_earlier_version_has_a_report(tmp_path):
    labels = np.arange(12) % 3
    run = made_run(tmp_path / "run", ("a", "b", "c"), (labels + labels // 2) % 3, labels)
    (run.folder / "scores.npz").unlink()
    for name in ("environment.json", "identity.json"):
        (run.folder / name).unlink(missing_ok=True)
    (run.folder / "history.csv").write_text("epoch,loss,accuracy,learning_rate\n1,1,0.5,0.1\n")
    metrics = json.loads((run.folder / "metrics.json").read_text())
    del metrics["calibration_error"], metrics["real"]
    (run.folder / "metrics.json").write_text(json.dumps(metrics))
    shown = "".join(page_of([run], tmp_path / "report.html").texts)
    assert "was written by an earlier version" in shown
    assert "the run is one of an earlier version" in shown
    assert "not recorded" in shown
    assert "Reliability" not in shown


def test_several_runs_are_compared(tmp_path):
    labels = np.arange(30) % 3
    runs = [
        made_run(tmp_path / name, ("a", "b", "c"), (labels + (np.arange(30) < wrong)) % 3, labels)
        for name, wrong in (("one", 9), ("other", 0))
    ]
    page = page_of(runs, tmp_path / "report.html")
    check_alone(page)
    shown = "".join(page.texts)
    assert "other is better than one by 30.00 percentage points" in shown
    assert "trained with the same settings" in shown
    assert "Images on which they differ: 9" in shown
    assert shown.count("Worst mistakes") == 2
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_report_of_a_training(short_run, tmp_path):
    """With pictures of the mistakes and their maps."""
    page = Page((short_run.folder / "report.html").read_text(encoding="utf-8"))
    check_alone(page)
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    rows = (short_run.folder / "mistakes.csv").read_text().count("\n") - 1
    assert len(pictures) == 3 * min(24, rows)
    assert "keras 3" in "".join(page.texts)
    # One whose data have gone says so.
    folder = shutil.copytree(short_run.folder, tmp_path / "run")
    text = (folder / "mistakes.csv").read_text().replace("image ", "picture ")
    (folder / "mistakes.csv").write_text(text)
    path = save_report([folder])
    assert path == folder / "report.html"
    shown = "".join(Page(path.read_text(encoding="utf-8")).texts)
    assert "There are no pictures of them: 'picture " in shown


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", None, "has no evaluation"),
        ("metrics.json", '{"top1": 1}', "has no evaluation"),
        ("metrics.json", "[", "metrics.json' is damaged"),
        ("weights.safetensors", None, "has not finished"),
        ("mistakes.csv", None, "has no evaluation: there is no "),
        (
            "mistakes.csv",
            "image,true,predicted,probability\nx,a,z,1\n",
            "none of the run's classes",
        ),
        ("scores.npz", "none", "scores.npz' is damaged"),
        ("history.csv", "epoch\nx\n", "history.csv' is damaged"),
        ("environment.json", "{}", "environment.json' is damaged"),
    ],
)
def test_what_has_no_report_is_told(tmp_path, name, content, message):
    labels = np.arange(6) % 3
    run = made_run(tmp_path / "run", ("a", "b", "c"), labels, labels)
    if content is None:
        (run.folder / name).unlink()
    else:
        (run.folder / name).write_text(content)
    with pytest.raises(UserError, match=message):
        save_report([run], tmp_path / "report.html", pictures=False)
    assert not (tmp_path / "report.html").exists()


# The names of the class table's rows, in order and without those that are hidden.
ROWS = """
return [...document.querySelectorAll("table.sortable tbody tr")].filter((row) => !row.hidden)
  .map((row) => row.cells[0].textContent);
"""


@pytest.mark.browser
def test_a_browser_without_a_network_shows_all(browser, tmp_path):
    from selenium.webdriver.common.by import By

    names = tuple(f"class <b>{i}" for i in range(25))
    labels = np.arange(200) % 25
    answers = np.where(np.arange(200) % 6 == 0, (labels + 1) % 25, labels)
    run = made_run(tmp_path / "run", names, answers, labels)
    save_report([run], tmp_path / "report.html", pictures=False)
    browser.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    browser.get((tmp_path / "report.html").as_uri())

    def first_head(column):
        return browser.find_elements(By.CSS_SELECTOR, "table.sortable thead button")[column]

    assert browser.execute_script(ROWS) == list(names)
    first_head(3).click()
    head = browser.find_elements(By.CSS_SELECTOR, "table.sortable thead th")[3]
    assert head.get_attribute("aria-sort") == "descending"
    cells = "return [...document.querySelectorAll('table.sortable tbody tr')].map((row) => parseFloat(row.cells[3].textContent))"
    recalls = browser.execute_script(cells)
    assert recalls == sorted(recalls, reverse=True)
    browser.find_element(By.CSS_SELECTOR, "input.filter").send_keys("b>13")
    assert browser.execute_script(ROWS) == ["class <b>13"]
    browser.find_element(By.CSS_SELECTOR, "input.pairs").send_keys("class <b>0")
    pairs = browser.find_elements(By.CSS_SELECTOR, "#pairs-table1 tbody tr")
    assert {pair.text.split(" class")[0] for pair in pairs} == {"class <b>0", "class <b>24"}
    browser.find_element(By.CSS_SELECTOR, "input.choose").send_keys("class <b>7")
    assert len(browser.find_elements(By.CSS_SELECTOR, "polyline.chosen")) == 2
    # On a phone nothing is wider than the page.
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    assert browser.get_log("browser") == []
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
