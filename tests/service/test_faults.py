"""What goes wrong in the middle of a run is said in a sentence, and leaves everything else as it was."""

from __future__ import annotations

import resource
import threading
import time
import weakref
from contextlib import contextmanager

import pytest
import torch

from viz.effects import Target
from viz.errors import BudgetError, StorageError, TextTooLongError
from viz.service import FileStore, Request, Workbench, background_statistics
from viz.service.limits import Limits
from viz.service.memory_errors import out_of_memory_in_words

TEXT = Request("loupe", "the cat sat on the mat")
OTHER = Request("loupe", "the dog did not sit on it")

# More than any machine has, in numbers: the allocator itself refuses.
TOO_MANY = 10**15


def silent(phase, share):
    pass


def devour(*_args, **_kwargs):
    """Ask for more memory than there is, as a pass over too long a text does."""
    torch.empty(TOO_MANY)


@pytest.fixture
def bench():
    return Workbench()


def is_usable(bench: Workbench) -> bool:
    """Whether another run goes through, and nothing is left of those before."""
    assert len(bench.queue) == 0
    assert bench.before("whoever", TEXT) == 0
    return bench.analyse("bob", OTHER, silent).trace.text == OTHER.text


def test_a_model_that_runs_out_of_memory_says_so_and_the_earlier_result_stays(bench):
    first = bench.analyse("ann", TEXT, silent)
    part = bench.model(TEXT, silent).module.get_submodule("transformer.decoder.blocks.1")
    hook = part.register_forward_pre_hook(devour)
    with pytest.raises(BudgetError, match="loupe ran out of memory") as refused:
        bench.analyse("ann", OTHER, silent)
    assert "Shorten the text" in refused.value.hint
    assert "alloc" not in str(refused.value), "in words, and not in those of the allocator"
    hook.remove()
    assert bench.result("ann", TEXT) is first
    assert is_usable(bench)


@pytest.mark.parametrize("where", ["drawing", "effects", "memory error"])
def test_memory_that_runs_out_beside_the_pass_is_said_too(bench, monkeypatch, where):
    first = bench.analyse("ann", TEXT, silent)

    def fail(*_args, **_kwargs):
        raise MemoryError

    def run():
        if where == "effects":
            bench.effects("ann", TEXT, Target(), silent)
        else:
            bench.analyse("ann", OTHER, silent)

    with monkeypatch.context() as patch:
        patch.setattr("viz.service.effect_runs.effects_of", devour)
        patch.setattr(background_statistics, "survey_layer", devour if where == "drawing" else fail)
        with pytest.raises(BudgetError, match="ran out of memory"):
            run()
    assert bench.result("ann", TEXT) is first
    assert is_usable(bench)


def test_a_text_of_more_tokens_than_a_run_may_have_is_refused_with_the_limit():
    bench = Workbench(limits=Limits(tokens=4))
    with pytest.raises(TextTooLongError, match="a run may have 4 on this machine") as refused:
        bench.analyse("ann", TEXT, silent)
    assert refused.value.limit == 4
    assert refused.value.tokens > 4


def test_who_closes_the_page_while_waiting_or_running_leaves_the_queue(bench):
    class Closed(BaseException):
        """As Streamlit stops the script of a page that is gone."""

    phases, gone = {"ann": [], "bob": []}, {"ann": threading.Event(), "bob": threading.Event()}
    slow, ended = threading.Event(), {}

    def progress_of(owner):
        def progress(phase, share):
            phases[owner].append(phase)
            if phase == "forward" and owner == "ann" and share > 0:
                slow.set()
                while not gone["ann"].wait(0.01):
                    pass
            if gone[owner].is_set():
                raise Closed

        return progress

    def run(owner, request):
        try:
            bench.analyse(owner, request, progress_of(owner))
        except Closed:
            ended[owner] = time.monotonic()

    bench.model(TEXT, silent)
    first = threading.Thread(target=run, args=("ann", TEXT))
    first.start()
    assert slow.wait(20)
    second = threading.Thread(target=run, args=("bob", OTHER))
    second.start()
    while "wait" not in phases["bob"]:
        time.sleep(0.01)
    assert bench.before("cem", TEXT) == 2
    gone["bob"].set()
    second.join(20)
    assert bench.before("cem", TEXT) == 1
    assert "forward" not in phases["bob"]
    gone["ann"].set()
    first.join(20)
    assert set(ended) == {"ann", "bob"}
    assert phases["ann"].count("draw") == 0, "it stopped within the pass"
    assert is_usable(bench)


@contextmanager
def full_disk(limit: int = 4_096):
    """Let no file grow beyond a few bytes, which fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_and_nothing_is_left_of_what_did_not_fit(tmp_path):
    store = FileStore(tmp_path, "long text")
    content = b"too long for an address. " * 1_000
    with full_disk(), pytest.raises(StorageError, match="could not be kept for links") as refused:
        store.put(content)
    assert "space" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
    assert store.path(store.put(content)).read_bytes() == content


def test_what_was_held_when_memory_ran_out_is_let_go_though_the_page_keeps_the_error():
    held = []

    def fails() -> None:
        rest = torch.zeros(8)
        held.append(weakref.ref(rest))
        torch.empty(1 << 50)

    with pytest.raises(BudgetError) as kept, out_of_memory_in_words():
        fails()
    assert kept.value.hint
    assert held[0]() is None
