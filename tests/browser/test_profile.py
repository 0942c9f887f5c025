"""The profile that all tests share keeps what was loaded, and nothing that a test left."""

from __future__ import annotations

import pytest

LEAVE = "document.cookie = 'left=behind; max-age=900'; localStorage.setItem('left', 'behind')"
FIND = "[document.cookie.includes('left=behind'), localStorage.getItem('left')]"


@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_finds_nothing_of_the_one_before(context, server, turn):
    assert "left" not in {one["name"] for one in context.cookies()}
    page = context.new_page()
    page.goto(f"{server}/_stcore/health")
    assert page.evaluate(FIND) == [False, None]
    page.evaluate(LEAVE)
    assert page.evaluate(FIND) == [True, "behind"]
