"""A newcomer comes into a course and into a team: by a mailed link, and because the team says so."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Platform, enter_by_link, follow, pages_at

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ADDRESS = "nora@team.example"


def test_a_newcomer_asks_and_the_team_lets_them_in(
    platform: Platform, sign_in: Callable[..., Page], browser: Browser
) -> None:
    instructor = sign_in("instructor@demo.example")
    follow(instructor.get_by_role("link", name="EDEL 4620").first)
    code = instructor.locator(".figure.mono").first.inner_text()
    with pages_at(platform.url, browser) as open_one:
        newcomer = open_one()
        newcomer.goto(f"/join/?code={code}")
        newcomer.get_by_label("Name").fill("Nora Newcomer")
        newcomer.get_by_label("E-mail").fill(ADDRESS)
        follow(newcomer.get_by_role("button", name="Send me the link"))
        expect(newcomer.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
        enter_by_link(newcomer, platform, ADDRESS, "a passphrase of my own")
        expect(newcomer.get_by_role("heading", name="Find your team")).to_be_visible()
        follow(newcomer.get_by_role("button", name="Ask to join Maple"))
        expect(newcomer.get_by_text("You asked Maple.")).to_be_visible()
        expect(newcomer.get_by_role("button", name="Ask to join Birch")).to_have_count(0)

        member = sign_in("maple@demo.example")
        expect(member.get_by_role("heading", name="Who asks to be in your team")).to_be_visible()
        follow(member.get_by_role("button", name="Let Nora Newcomer in"))
        expect(member.get_by_text("Nora Newcomer is in Maple now.")).to_be_visible()
        newcomer.goto("/")
        expect(newcomer.get_by_role("heading", name="Maple")).to_be_visible()

    codes = instructor.get_by_role("form", name="Join code for students")
    follow(codes.get_by_role("button", name="Close it"))
    expect(instructor.get_by_text("closed: lets nobody new in")).to_be_visible()
    follow(codes.get_by_role("button", name="Open it"))
    expect(instructor.get_by_text("closed: lets nobody new in")).to_have_count(0)
