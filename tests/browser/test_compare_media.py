"""Pictures and sounds as sides of the Compare page, with real models, in a real browser."""

from __future__ import annotations

import io
import re

import pytest
import soundfile
from PIL import Image
from playwright.sync_api import expect
from sklearn.datasets import load_sample_images

from tests.browser.conftest import SAMPLES
from tests.browser.pages import READY, settle
from tests.browser.test_media import opened as explore


@pytest.fixture(scope="module")
def begun(store):
    """The first four seconds of it."""
    samples, rate = soundfile.read(SAMPLES / "voice.ogg")
    packed = io.BytesIO()
    soundfile.write(packed, samples[: 4 * rate], rate, format="WAV")
    return store.put(packed.getvalue(), ".wav")


def opened(page, url):
    page.goto(url)
    expect(page.get_by_role("application", name="Two patterns")).to_be_visible(timeout=READY)
    settle(page)


def test_a_head_of_a_picture_leads_to_its_neighbour_and_to_heads_like_it(page, server, cat):
    explore(page, f"{server}/?model=dinov2&media={cat}")
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible(timeout=READY)
    page.get_by_role("link", name="Heads like this one →").click()
    expect(page.get_by_text("Heads like layer 8, head 3")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile(r"media=[0-9a-f]{40}\.jpg.*part=heads"))
    expect(page.get_by_role("radio", name="Another picture")).to_be_visible()
    expect(page.get_by_text("257 of 257 common patches have a partner")).to_be_visible()
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.get_by_role("radio", name="Minimal pairs")).to_have_count(0)


def test_two_pictures_are_compared_patch_by_patch(page, server, cat, tmp_path):
    opened(page, f"{server}/compare?model=dinov2&media={cat}&heads=10.5")
    Image.fromarray(load_sample_images().images[1]).save(tmp_path / "flower.png")
    page.locator("input[type=file]").nth(1).set_input_files(tmp_path / "flower.png")
    expect(page).to_have_url(re.compile(r"other_media=[0-9a-f]{40}\.png"), timeout=READY)
    settle(page)
    metric = page.get_by_test_id("stMetric").filter(has_text="Jensen-Shannon")
    assert float(metric.get_by_test_id("stMetricValue").inner_text()) > 0.1
    # In a plane a shift along the numbers of patches means nothing.
    expect(page.get_by_text("Centre shift")).to_have_count(0)
    choice = page.get_by_role("combobox", name="Looks from (row)")
    choice.focus()
    page.keyboard.type("3,4 ")
    # The list follows what is typed; a key that is ahead of it would choose "13,4".
    expect(page.get_by_role("option").first).to_have_text(re.compile(r"^3,4 "))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"row=53"))
    picture = page.locator(".stPlotlyChart").nth(1).locator(".heatmaplayer").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 32, box["y"] + box["height"] / 32)
    expect(page).to_have_url(re.compile(r"row=1(&|$)"))  # the first patch, after [CLS]


def test_pictures_cut_into_other_patches_say_so_and_offer_what_can_be_compared(page, server, cat):
    page.goto(
        f"{server}/compare?model=dinov2&media={cat}&heads=10.5&other_model=eyes&other_local=1&other_heads=1.2"
    )
    said = page.get_by_text("cut into 16 x 16 patches, the second's into 3 x 3")
    expect(said).to_be_visible(timeout=READY)
    page.get_by_role("button", name="Compare two heads of the second side").click()
    expect(page.get_by_text("10 of 10 common patches have a partner")).to_be_visible(timeout=READY)
    expect(said).to_have_count(0)
    expect(page).to_have_url(re.compile(r"model=eyes&.*&heads=1\.2&other_heads=1\.3"))


def test_two_sounds_are_laid_on_each_other_by_their_time(page, server, voice, begun):
    opened(page, f"{server}/compare?model=whisper&media={voice}&other_media={begun}&heads=3.3")
    expect(page.get_by_text("The first sound lasts 7.1 s, the second 4.0 s")).to_be_visible()
    expect(page.get_by_text(re.compile("First side: The sound ends at 7.1 s"))).to_be_visible()
    expect(page.get_by_text(re.compile("Second side: The sound ends at 4.0 s"))).to_be_visible()
    expect(page.get_by_text("time (s)")).to_be_visible()
    expect(page.get_by_role("radio", name="Another sound")).to_be_visible()
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_a_picture_against_a_sound_is_refused_in_a_sentence(page, server, cat, voice):
    page.goto(
        f"{server}/compare?model=dinov2&media={cat}&heads=10.5&other_model=whisper&other_media={voice}"
    )
    expect(page.get_by_text("which cannot stand for each other")).to_be_visible(timeout=READY)
    expect(page.get_by_role("button", name="Compare two heads of the first side")).to_be_visible()
