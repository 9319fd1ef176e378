"""In a browser, the pages show what an event becomes, run nothing of it, and need no mouse."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from iterable_destination import Destination, Settings
from iterable_destination.playground.app import iterable_app, playground_app
from iterable_destination.playground.server import serve
from iterable_destination.testing import LocalIterable

_BROWSER: Final = shutil.which("chromium") or shutil.which("google-chrome")
_DRIVER: Final = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    "CI" not in os.environ and (_BROWSER is None or _DRIVER is None),
    reason="chromium and chromedriver are not installed",
)

#: Seconds to wait for something to show.
_PATIENCE: Final = 20
_AXE: Final = Path(__file__).with_name("axe") / "axe.min.js"
#: The line numbers of the marks in the editor, with how severe each is.
_FIND_MARKS: Final = """
const top = (each) => each.getBoundingClientRect().top;
const numbers = [...document.querySelectorAll(".cm-lineNumbers .cm-gutterElement")]
  .filter((each) => each.offsetHeight > 0);
return [...document.querySelectorAll(".cm-lint-marker")].map((mark) => {
  const line = numbers.find((each) => Math.abs(top(each) - top(mark.parentElement)) < 2);
  return [Number(line.textContent), /error|warning/.exec(mark.className)[0]];
});
"""
#: Whether the editor, if there is one, has the colours of the page.
_HAS_ITS_COLOURS: Final = """
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
const editor = document.querySelector("#editor");
return editor === null || editor.classList.contains("jse-theme-dark") === isDark;
"""
_FIND_VIOLATIONS: Final = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then((found) => done(
  found.violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => [each.id, each.nodes.map((node) => node.target.join(" "))])));
"""
_CART: Final = {
    "type": "track",
    "event": "Product Added",
    "userId": "u-1",
    "messageId": "m-1",
    "properties": {
        "products": [{"product_id": "p-1", "name": "Blue Pen", "price": 12.5, "quantity": 2}]
    },
}
_PROFILE: Final = {
    "type": "identify",
    "userId": "u-1",
    "messageId": "m-2",
    "traits": {"email": "ada@example.com", "plan": "free"},
}
_GROUP: Final = {"type": "group", "userId": "u-1", "messageId": "m-3", "groupId": "g-1"}
_SAMPLES: Final = (_GROUP, _PROFILE, _CART)
_BAD_ORDER: Final = """{
  "type": "track",
  "event": "Order Completed",
  "userId": "u-1",
  "properties": {
    "order_id": "o-1",
    "products": [
      {
        "product_id": "p-1",
        "name": "Blue Pen",
        "price": "much"
      }
    ]
  }
}"""
#: Runs wherever it is not shown as text; short enough for a userId.
_HOSTILE: Final = "'\"><img src=x onerror=window.ran=1>{{1234*5678}}"
_SCRIPT: Final = "</code><script>window.ran=1</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    assert _BROWSER is not None, "chromium is not installed"
    assert _DRIVER is not None, "chromedriver is not installed"
    options = webdriver.ChromeOptions()
    options.binary_location = _BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def iterable() -> Iterator[LocalIterable]:
    with LocalIterable() as running:
        yield running


@attrs.frozen
class Page:
    """A page in a tab of its own."""

    driver: webdriver.Chrome
    url: str

    def open(self, path: str = "/") -> None:
        self.driver.get(self.url + path)

    def resize(self, width: int) -> None:
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=900, mobile=False)

    def set_darkness(self, *, is_dark: bool) -> None:
        """Choose the colours, and that nothing moves, so that no colour is on its way."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self._send("Emulation.setEmulatedMedia", features=[scheme, still])

    def _send(self, command: str, **values: Any) -> None:
        if "width" in values:
            values["deviceScaleFactor"] = 1
        self.driver.execute_cdp_cmd(command, values)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def select_all(self) -> None:
        chain = ActionChains(self.driver).key_down(Keys.CONTROL)
        chain.send_keys("a").key_up(Keys.CONTROL).perform()

    def type_text(self, text: str) -> None:
        """Type a text instead of that in the editor."""
        self.wait(lambda: self.find(".cm-content"))
        self.click(".cm-content")
        self.select_all()
        self._send("Input.insertText", text=text)

    def type_event(self, event: Any) -> None:
        self.type_text(json.dumps(event, indent=2))

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def find_marks(self) -> list[list[Any]]:
        found: list[list[Any]] = self.ask(_FIND_MARKS)
        return found

    def read(self, selector: str) -> str:
        """Return the text of an element, in view or not, in one step; "" if it is not there."""
        script = "return document.querySelector(arguments[0])?.textContent ?? ''"
        return str(self.driver.execute_script(script, selector))

    def is_editor_focused(self) -> bool:
        return bool(self.ask("return document.activeElement.classList.contains('cm-content')"))

    def wait(self, holds: Callable[[], object]) -> None:
        WebDriverWait(self.driver, _PATIENCE, poll_frequency=0.05).until(lambda _: holds())

    def wait_to_read(self, selector: str, *words: str) -> None:
        try:
            self.wait(lambda: all(word in self.read(selector) for word in words))
        except TimeoutException:
            pytest.fail(f"{words} should be in {self.read(selector)!r}")

    def send(self, event: Any) -> None:
        """Type an event and send it."""
        name = event.get("event", event["type"])
        self.type_event(event)
        self.wait(lambda: name in self.read(".cm-content") and self.find("#send").is_enabled())
        self.click("#send")
        self.wait_to_read("#outcomes", "delivered")

    def list_errors(self) -> list[str]:
        """Return what the console has and this has not returned before."""
        return [each["message"] for each in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def list_hosts(self) -> set[str]:
        """Return the hosts of all requests since this was last asked."""
        logged = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        messages = [json.loads(each["message"])["message"] for each in logged]
        urls = [
            urlsplit(each["params"]["request"]["url"])
            for each in messages
            if each["method"] == "Network.requestWillBeSent"
        ]
        return {url.netloc for url in urls if url.scheme not in {"data", "blob"}}


@pytest.fixture
def open_tab(browser: webdriver.Chrome) -> Iterator[Callable[[str], Page]]:
    """Open pages of a server in a new tab, which is closed before the server is."""
    before = browser.current_window_handle
    browser.switch_to.new_window("tab")
    yield lambda url: Page(browser, url)
    browser.close()
    browser.switch_to.window(before)


@pytest.fixture
def page(
    browser: webdriver.Chrome, iterable: LocalIterable, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """The page of events. Whatever a test does, there are no errors and no foreign requests."""
    receiver = "http://127.0.0.1:9/webhooks"  # nobody listens there
    application = playground_app(iterable, samples=_SAMPLES, receiver=receiver)
    with serve(application, "127.0.0.1", 0) as url:
        page = request.getfixturevalue("open_tab")(url)
        page.list_errors()
        page.list_hosts()
        page.open()
        yield page
        assert page.list_errors() == []
        assert page.list_hosts() <= {urlsplit(url).netloc}
        browser.get("about:blank")  # ends its live stream


def send(iterable: LocalIterable, *events: Any) -> None:
    """Send events to a local Iterable as another program does."""
    with Destination(Settings(api_key=iterable.api_key, base_url=iterable.url)) as destination:
        for event in events:
            assert destination.send(event).name == "delivered"


def test_a_bad_order_is_marked_at_its_lines_then_corrected_and_sent(page: Page) -> None:
    page.send(_CART)
    page.wait_to_read("#user", "Blue Pen")
    page.type_text(_BAD_ORDER)
    page.wait(lambda: page.find_marks() == [[5, "error"], [11, "error"]])
    page.wait_to_read("#explanation", "properties.total: missing", 'the value is "much"')
    assert not page.find("#send").is_enabled()
    good = _BAD_ORDER.replace('"much"', "12.5").replace('"o-1"', '"o-1", "total": 27.5')
    page.type_text(good)
    page.wait(lambda: page.find_marks() == [])
    page.wait_to_read("#explanation", "POST /api/commerce/trackPurchase", "properties.total")
    page.click("#send")
    page.wait_to_read("#outcomes", "delivered")
    page.wait_to_read("#user", "purchase of 27.5", "The cart is empty.")


def test_a_sample_can_be_chosen_and_all_can_be_sent(page: Page) -> None:
    page.wait_to_read("#explanation", "traits.plan")
    page.find("#sample").send_keys("m-3")
    page.wait_to_read("#explanation", "Skipped:")
    assert not page.find("#send").is_enabled()
    page.click("#send-samples")
    page.wait_to_read("#outcomes", "2 delivered, 1 skipped.")
    page.wait_to_read("#arrived", "2 arrived.")


def test_settings_and_mappings_are_followed(page: Page) -> None:
    page.type_event({"type": "page", "userId": "u-1", "properties": {"path": "/"}})
    page.wait_to_read("#explanation", "track_all_pages would send it")
    page.click("[name=track_all_pages]")
    page.wait_to_read("#explanation", "POST /api/events/track", "because of track_all_pages")
    page.type_event(_PROFILE)
    page.click("[value=presets]")
    page.wait_to_read("#explanation", "Fired, by", "Did not fire, by")
    page.click("[value=own]")
    page.find("#subscriptions").send_keys("[")
    page.wait_to_read("#explanation", "mappings: no JSON")


def test_mappings_that_are_given_are_shown_to_be_edited(
    iterable: LocalIterable, open_tab: Callable[[str], Page]
) -> None:
    mine = [{"partnerAction": "trackEvent", "subscribe": 'type = "track"', "mapping": {}}]
    application = playground_app(iterable, settings=Settings(mappings=mine))
    with serve(application, "127.0.0.1", 0) as url:
        page = open_tab(url)
        page.open()
        page.wait_to_read("#explanation", "Fired, by", 'type = "track"')
        assert json.loads(str(page.find("#subscriptions").get_property("value"))) == mine
        assert not page.find("#send-samples").is_displayed()
        page.driver.get("about:blank")


def test_a_hostile_event_is_shown_as_text_and_runs_nothing(
    page: Page, iterable: LocalIterable
) -> None:
    properties = {_HOSTILE: _HOSTILE, _SCRIPT: _SCRIPT, "list": [{_HOSTILE: _SCRIPT}]}
    event = {
        "type": "track",
        "event": _HOSTILE,
        "userId": _HOSTILE,
        "messageId": _HOSTILE,
        "properties": properties,
    }
    page.type_event(event)
    page.wait_to_read("#explanation", _HOSTILE, _SCRIPT)
    page.wait(page.find("#send").is_enabled)
    page.click("#send")
    page.wait_to_read("#outcomes", "delivered")
    profile = {"type": "identify", "userId": _HOSTILE, "traits": {_HOSTILE: _SCRIPT}}
    send(iterable, profile)
    page.wait_to_read("#user", _HOSTILE, _SCRIPT)
    page.wait_to_read("#arrivals", "/api/users/update", "/api/events/track", _HOSTILE)
    page.type_event({**event, "type": _HOSTILE, "properties": {"half": "\ud800"}})
    page.wait_to_read("#explanation", "Refused", "<img src=x")
    _find_nothing_that_ran(page)
    page.open("/webhooks")
    page.wait_to_read("#arrivals", _HOSTILE)
    fields = {"createdAt": "2026-03-04 09:24:50 +00:00", "email": _HOSTILE, _HOSTILE: _HOSTILE}
    webhook = {"eventName": "emailOpen", "email": _HOSTILE, "dataFields": fields}
    page.type_event(webhook)
    page.wait_to_read("#track", "Email Opened", "<img src=x")
    page.type_event({**webhook, "eventName": _HOSTILE})
    page.wait_to_read("#track", "Nothing for", "<img src=x")
    _find_nothing_that_ran(page)


def _find_nothing_that_ran(page: Page) -> None:
    assert page.ask("return window.ran") is None
    assert page.ask("return document.querySelectorAll('main img, main script').length") == 0
    assert "7006652" not in page.read("main")  # no template of a template


def test_nothing_is_asked_of_another_host(page: Page) -> None:
    page.send(_PROFILE)
    page.wait_to_read("#user", "ada@example.com")
    page.open("/webhooks")
    page.wait_to_read("#arrivals", "ada@example.com")
    assert page.list_hosts() == {urlsplit(page.url).netloc}


def test_the_pages_can_be_used_by_everybody(page: Page, iterable: LocalIterable) -> None:
    page.send(_CART)
    page.wait_to_read("#user", "All fields are new.", "Blue Pen")
    page.send(_PROFILE)
    page.wait_to_read("#user tr.is-changed", "email", "changed")
    _find_no_violation(page)
    page.type_text(_BAD_ORDER)
    page.wait(lambda: len(page.find_marks()) == 2)
    _find_no_violation(page)
    page.type_text("{")
    page.wait_to_read("#explanation", "no JSON")
    _find_no_violation(page)
    page.open("/webhooks")
    page.wait_to_read("#arrivals", "u-1")
    page.find("#of").send_keys("u-1")
    page.click("[value=emailClick]")
    page.wait_to_read("#track", "Email Link Clicked")
    _find_no_violation(page)
    with serve(iterable_app(iterable), "127.0.0.1", 0) as url:
        page.driver.get(url)
        page.wait_to_read("#arrivals", "u-1")
        _find_no_violation(page)
        page.list_hosts()  # this is another server
        page.driver.get("about:blank")


def _find_no_violation(page: Page) -> None:
    page.ask(_AXE.read_text())
    for is_dark in (False, True):
        page.set_darkness(is_dark=is_dark)
        page.wait(lambda: page.ask(_HAS_ITS_COLOURS))
        found = page.driver.execute_async_script(_FIND_VIOLATIONS)
        assert (is_dark, found) == (is_dark, [])


def test_no_mouse_is_needed(page: Page) -> None:
    page.wait(page.find("#send").is_enabled)
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Skip to the content"
    page.press(Keys.ENTER)
    _press_tab_until(page, page.is_editor_focused)
    page.select_all()
    page.press('{"type": "identify", "userId": "u-7"')
    page.wait_to_read("#explanation", "u-7")
    send_button = page.find("#send")
    _press_tab_until(page, lambda: page.driver.switch_to.active_element == send_button)
    assert page.ask("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(Keys.ENTER)
    page.wait_to_read("#outcomes", "delivered")
    page.wait_to_read("#user", "u-7")
    page.type_text(_BAD_ORDER)
    page.wait(lambda: len(page.find_marks()) == 2)
    page.press(Keys.F8)
    page.wait_to_read(".cm-tooltip-lint", "properties.")


def _press_tab_until(page: Page, is_there: Callable[[], bool]) -> None:
    for _ in range(20):
        if is_there():
            return
        page.press(Keys.TAB)
    pytest.fail("not reached by Tab")


def test_what_another_program_sends_arrives(page: Page, iterable: LocalIterable) -> None:
    send(iterable, _PROFILE)
    page.wait_to_read("#arrivals", "/api/users/update", "ada@example.com")
    page.click("#arrivals button")
    page.wait_to_read("#user", "ada@example.com", "plan", "free")
    traits = {"email": "ada@example.com", "plan": "pro"}
    send(iterable, {**_PROFILE, "traits": traits})
    page.wait_to_read("#user tr.is-changed", "plan", "changed", "pro")
    names = page.ask("return [...document.querySelectorAll('#users option')].map((o) => o.value)")
    assert names == ["ada@example.com", "u-1"]
    page.find("#user-name").clear()
    page.find("#user-name").send_keys("nobody", Keys.ENTER)
    page.wait_to_read("#user", "The local Iterable has no user nobody.")


def test_an_event_is_saved_and_opened_as_a_file(page: Page, tmp_path: Path) -> None:
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.type_text(_BAD_ORDER)
    page.click("#download")
    saved = tmp_path / "event.json"
    page.wait(saved.exists)
    assert saved.read_text() == _BAD_ORDER
    page.type_event(_CART)
    page.wait_to_read(".cm-content", "Product Added")
    page.find("#upload").send_keys(str(saved))
    page.wait_to_read(".cm-content", '"much"')
    page.wait(lambda: page.find_marks() == [[5, "error"], [11, "error"]])


def test_nothing_moves_for_those_who_want_no_motion(page: Page) -> None:
    duration = "return getComputedStyle(document.querySelector('#send')).transitionDuration"
    page.wait(page.find("#send").is_enabled)
    assert page.ask(duration) != "0s"
    page.set_darkness(is_dark=False)  # and still
    assert page.ask(duration) == "0s"


def test_what_was_typed_is_there_when_the_page_is_opened_again(page: Page) -> None:
    page.type_text(_BAD_ORDER)
    page.wait(lambda: page.find_marks() == [[5, "error"], [11, "error"]])
    page.click("nav a[href='/webhooks']")
    page.type_text('{"eventName": "emailOpen"}')
    page.wait_to_read("#track", "Refused:")
    page.click("nav a[href='/']")
    page.wait(lambda: page.find_marks() == [[5, "error"], [11, "error"]])
    page.click("nav a[href='/webhooks']")
    page.wait_to_read("#track", "Refused:")


def test_no_page_is_wider_than_the_window(page: Page) -> None:
    long = {"type": "identify", "userId": "u-1", "traits": {"n" * 200: "v" * 2000}}
    page.resize(390)
    page.send(long)
    page.wait_to_read("#user", "vvv")
    page.wait_to_read("#arrivals", "vvv")
    _find_no_overflow(page)
    page.open("/webhooks")
    page.wait_to_read("#arrivals", "u-1")
    page.find("#of").send_keys("u-1")
    page.click("[value=emailSend]")
    page.wait_to_read("#track", "Email Delivered")
    _find_no_overflow(page)


def _find_no_overflow(page: Page) -> None:
    page.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for width in (320, 390, 800, 1400):
        page.resize(width)
        assert page.ask("return document.documentElement.scrollWidth") <= width


def test_a_webhook_becomes_a_track_call(page: Page, iterable: LocalIterable) -> None:
    page.open("/webhooks")
    page.find("#of").send_keys("u-1")
    page.click("[value=emailOpen]")
    page.wait_to_read("#posted", "no such user")
    assert page.list_errors() != []  # the console names each response of 400
    send(iterable, _PROFILE)
    page.click("[value=emailOpen]")
    page.wait_to_read("#posted", "http://127.0.0.1:9/webhooks: ConnectionRefusedError")
    page.wait_to_read("#track", "Email Opened", "properties.campaign_id")
    page.find("#name").send_keys("smsBounce")
    page.click("#name + button")
    page.wait_to_read("#track", "SMS Bounced")
    page.type_text('{\n  "eventName": 7\n}')
    page.wait_to_read("#track", "Refused:")
    page.wait(lambda: [2, "error"] in page.find_marks())


def test_the_page_says_that_the_server_has_stopped_and_goes_on_when_it_is_back(
    iterable: LocalIterable, open_tab: Callable[[str], Page]
) -> None:
    application = playground_app(iterable, samples=_SAMPLES)
    with serve(application, "127.0.0.1", 0) as url:
        page = open_tab(url)
        page.open()
        page.wait(page.find("#send").is_enabled)
        assert not page.find("#notice").is_displayed()
    page.wait(page.find("#notice").is_displayed)
    assert "does not respond" in page.read("#notice")
    page.click("#send")
    page.wait_to_read("#outcomes", "does not respond")
    with serve(application, "127.0.0.1", urlsplit(url).port or 0):
        page.wait(lambda: not page.find("#notice").is_displayed())
        page.driver.get("about:blank")
