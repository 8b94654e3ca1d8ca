"""A real Chromium for the tests of pages.

Needs Debian's packages chromium and chromium-driver. Without them the tests are skipped, unless
ICL_REQUIRE_BROWSER=1 says that they must run.
"""

import importlib.util
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

# Debian's; as root without a sandbox, and without looking for anything on a network.
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
WRONG = ("serious", "critical")


@contextmanager
def open_chromium(folder: Path):
    """A driver, whose profile is in `folder`."""
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if not all(programs):
        lacking("no chromium and chromedriver: apt-get install chromium chromium-driver")
    if importlib.util.find_spec("selenium") is None:
        lacking("no selenium, which drives the browser; part of the extra `dev`")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for option in (*OPTIONS.split(), f"--user-data-dir={folder}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1]))
    try:
        yield driver
    finally:
        driver.quit()


def lacking(reason: str) -> None:
    """Skip the test, or fail where it must run."""
    if os.environ.get("ICL_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def show(driver, width, scheme="light", media=""):
    metrics = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [feature]})


def find(driver, selector):
    return driver.find_elements("css selector", selector)


def texts(driver, selector):
    return [element.text for element in find(driver, selector) if element.is_displayed()]


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def click(element):
    element.parent.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def select(driver, selector, words):
    from selenium.webdriver.support.ui import Select

    Select(find(driver, selector)[0]).select_by_visible_text(words)


def violations(driver, within="body"):
    """What axe-core finds seriously wrong: rule, impact and places."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None:
        lacking("no axe-core: pip install --no-deps axe-playwright-python")
    program = Path(spec.submodule_search_locations[0]) / "axe.min.js"
    driver.execute_script(program.read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[1]; axe.run(arguments[0], {resultTypes: ['violations']}).then(({violations}) "
        "=> done(violations.map(v => [v.id, v.impact, v.nodes.map(n => n.target.join(' '))])))",
        within,
    )
    return [one for one in found if one[1] in WRONG]
