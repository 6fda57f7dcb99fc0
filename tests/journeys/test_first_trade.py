"""A newcomer's first minutes, in a real browser, on a wide window and on a phone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.conftest import House

pytestmark = pytest.mark.browser
WINDOWS = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
# One basket a window, so that the second journey does not meet the first one's positions.
BASKETS = {"wide": "energy", "phone": "geopolitics"}

ENDED = {"Filled", "Partly filled", "Denied here", "Rejected by the venue", "Canceled", "Expired", "Proven not placed"}


@pytest.fixture(params=sorted(WINDOWS))
def window(request: pytest.FixtureRequest, browser: Any) -> Iterator[tuple[str, Any, list[str]]]:
    """A page of a given size that notes every complaint of the browser and every foreign request."""
    context = browser.new_context(viewport=WINDOWS[request.param])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(("http://127.0.0.1:", "data:")) else complaints.append(asked.url),
    )
    yield request.param, page, complaints
    context.close()


def sign_in(page: Any, house: House, name: str) -> None:
    page.goto(f"{house.url}/login")
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", house.passwords[name])
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/dashboard")


def no_sideways_scroll(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_demo_opens_a_basket_quotes_100_confirms_and_sees_every_leg_and_the_position(
    house: House, window: tuple[str, Any, list[str]]
) -> None:
    size, page, complaints = window
    sign_in(page, house, "demo")
    page.goto(f"{house.url}/baskets")
    assert page.locator("a[href^='/baskets/']").count() >= 18
    page.goto(f"{house.url}/baskets/{BASKETS[size]}")
    page.locator(".uplot canvas").first.wait_for(state="visible")
    assert no_sideways_scroll(page)
    page.fill("input[name=amount]", "100")
    page.get_by_role("button", name="Get a quote").click()
    confirm = page.get_by_role("button", name=re.compile(r"^Buy YES for [\d.]+ on paper"))
    confirm.wait_for(state="visible")
    confirm.click()
    page.wait_for_url("**/trades/*")
    page.get_by_role("link", name="See your positions").wait_for(timeout=60_000)
    ends = page.locator(".progress-legs strong").all_inner_texts()
    assert len(ends) >= 5
    assert set(ends) <= ENDED
    assert "Filled" in ends
    assert no_sideways_scroll(page)
    page.goto(f"{house.url}/portfolio")
    assert page.locator(f"a[href='/baskets/{BASKETS[size]}']").count() >= 1
    assert (
        page.get_by_role("button", name=re.compile("^Close YES"))
        .or_(page.get_by_role("link", name=re.compile("^Close YES")))
        .count()
    )
    assert no_sideways_scroll(page)
    assert complaints == []


def test_a_newcomer_registers_and_has_paper_cash(house: House, window: tuple[str, Any, list[str]]) -> None:
    size, page, complaints = window
    page.goto(house.url)
    assert no_sideways_scroll(page)
    page.goto(f"{house.url}/register")
    page.fill("input[name=username]", f"newcomer-{size}")
    page.fill("input[name=email]", f"newcomer-{size}@example.com")
    page.fill("input[name=password1]", "correct-horse-battery")
    page.fill("input[name=password2]", "correct-horse-battery")
    page.press("input[name=password2]", "Enter")
    page.wait_for_url("**/dashboard")
    assert page.get_by_text("10,000.00").count() >= 1
    assert complaints == []


def test_a_suggestion_goes_from_the_builder_to_a_public_basket(house: House, browser: Any) -> None:
    context = browser.new_context(viewport=WINDOWS["wide"])
    page = context.new_page()
    sign_in(page, house, "demo")
    page.goto(f"{house.url}/builder")
    for number in range(3):
        page.locator("#results button[value$=':yes']").nth(number).click()
        page.wait_for_function("n => document.querySelectorAll('#draft input[name=leg]').length > n", arg=number)
    page.locator("summary", has_text="Suggest it to everyone").click()
    page.fill("#draft-name", "Three questions")
    page.fill("#s-reason", "They are asked everywhere this month.")
    page.get_by_role("button", name="Send suggestion").click()
    page.wait_for_url("**/suggestions*")
    assert page.get_by_text("Three questions").count() >= 1
    context.close()

    context = browser.new_context(viewport=WINDOWS["wide"])
    page = context.new_page()
    sign_in(page, house, "reviewer")
    page.goto(f"{house.url}/admin/baskets/suggestion/")
    page.get_by_role("checkbox").nth(1).check()
    page.select_option("select[name=action]", label="Approve, with the notes")
    page.get_by_role("button", name="Go").click()
    page.goto(f"{house.url}/baskets")
    assert page.get_by_text("Three questions").count() >= 1
    context.close()
