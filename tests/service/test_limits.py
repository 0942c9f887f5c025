"""How much a user may ask, and where that is said."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from viz.errors import ConfigError
from viz.service import Request, Workbench
from viz.service.limits import VARIABLES, Limits, limits_of
from viz.service.lru_store import BoundedStore

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to.md"


def test_limits_come_from_the_environment_and_are_the_usual_ones_else():
    assert limits_of({}) == Limits()
    given = {
        "LOUPE_PASSES": "3",
        "LOUPE_TOKENS": " 512 ",
        "LOUPE_KEPT_MB": "100",
        "LOUPE_WAITING": "",
    }
    found = limits_of(given)
    assert (found.passes, found.tokens, found.kept_bytes) == (3, 512, 100_000_000)
    assert found.kept_each_bytes == 50_000_000, "half of all, where nobody says"
    assert found.waiting == Limits().waiting


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_limit_that_is_no_number_is_refused_by_name(value):
    with pytest.raises(ConfigError, match=f"LOUPE_WAITING_EACH is '{value}'"):
        limits_of({"LOUPE_WAITING_EACH": value})


def test_every_limit_has_a_variable_and_every_variable_is_documented():
    assert set(VARIABLES) == {one.name for one in fields(Limits)}
    text = HOW_TO.read_text()
    for variable, _ in VARIABLES.values():
        assert f"`{variable}`" in text


def test_one_user_does_not_drive_out_the_others():
    store = BoundedStore(100, len, owner=lambda key: key[0], each=60)
    store.put("b1", "b" * 20)
    store.put("c1", "c" * 20)
    for number in range(5):
        store.put(f"a{number}", "a" * 30)
    assert [store.get(f"a{number}") is not None for number in range(5)] == [0, 0, 0, 1, 1]
    assert store.get("b1")
    assert store.get("c1")


def test_room_for_others_is_made_by_whoever_holds_most():
    store = BoundedStore(100, len, owner=lambda key: key[0])
    for key in ("b1", "c1", "d1"):
        store.put(key, key[0] * 10)
    for number in range(2):
        store.put(f"a{number}", "a" * 35)
    store.put("e1", "e" * 20)
    assert [store.get(key) is not None for key in ("b1", "c1", "d1")] == [True] * 3, (
        "though they were not used for longest"
    )
    assert (store.get("a0"), store.get("a1") is not None) == (None, True)
    store.put("b2", "b" * 1_000)
    assert store.get("b2"), "the newest is kept, because somebody looks at it"
    assert [store.get(key) for key in ("a1", "b1", "c1", "d1", "e1")] == [None] * 5
    store.put("a3", "a")
    assert store.get("b2") is None
    assert store.get("a3")


def test_among_equals_what_was_not_used_for_longest_goes_first():
    store = BoundedStore(100, len, owner=lambda key: key)
    for number in range(9):
        store.put(f"old {number}", "o" * 10)
    store.put("seen", "s" * 14)
    assert store.get("seen"), (
        "a little more than others have is nothing to lose one's only result for"
    )
    assert store.get("old 0") is None
    store.put("new", "n" * 10)
    assert store.get("seen")
    assert store.get("old 1") is None


def test_pages_of_one_browser_share_what_a_user_may_keep():
    size = Workbench().analyse("x", Request("loupe", "the cat"), lambda *_: None).memory_bytes
    room = Limits(kept_bytes=10 * size, kept_each_bytes=2 * size)
    bench, requests = (
        Workbench(limits=room),
        [Request("loupe", f"the {one}") for one in ("cat", "dog", "cow")],
    )
    bench.visitors.note("other", "o" * 43, lambda: True)
    bench.analyse("other", requests[0], lambda *_: None)
    for number, request in enumerate(requests):
        bench.visitors.note(f"page {number}", "b" * 43, lambda: True)
        bench.analyse(f"page {number}", request, lambda *_: None)
    kept = [bench.result(f"page {number}", one) is not None for number, one in enumerate(requests)]
    assert kept == [False, True, True]
    assert bench.result("other", requests[0])
