"""Pictures and sounds on the page, with real models, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import expect
from sklearn.datasets import load_sample_images

from tests.browser.pages import settle, visit

READY = 120_000
SAMPLES = Path(__file__).parents[2] / "assets" / "samples"


def example(page, title):
    page.get_by_role("button", name="Examples").click()
    page.get_by_text(title, exact=True).click()


def opened(page, url):
    visit(page, url)
    expect(page.get_by_role("heading", name="About this head")).to_be_visible(timeout=READY)
    settle(page)


def test_a_picture_is_lit_up_where_the_clicked_patch_looks(page, server, cat):
    opened(page, server)
    example(page, "A cat (picture)")
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible(timeout=READY)
    expect(page).to_have_url(
        re.compile(rf"model=dinov2.*media={re.escape(cat)}|media={re.escape(cat)}.*model=dinov2")
    )
    settle(page)
    picture = page.locator(".stPlotlyChart").first.locator(".heatmaplayer").first
    box = picture.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2 + 4, box["y"] + box["height"] / 2 + 4)
    expect(page).to_have_url(re.compile(r"token=1\d\d"))  # a patch in the middle of 16 x 16


def test_a_picture_opens_on_a_late_head_with_all_heads_over_it(page, server):
    opened(page, server)
    example(page, "A cat (picture)")
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile(r"layer=(8|9|10|11)&head=\d.*token=\d+"))
    expect(page.get_by_role("heading", name="Layer 8, head 3")).to_be_visible()
    expect(page.get_by_text(re.compile("lit up where .* looks"))).to_be_visible()
    x, y = point_of(page, 10, 4)
    token = re.search(r"token=\d+", page.url)[0]
    page.mouse.click(x, y)
    expect(page).to_have_url(re.compile(rf"layer=10&head=4.*{token}"))
    expect(page.get_by_role("heading", name="Layer 10, head 4")).to_be_visible()
    page.get_by_role("radio", name="Patterns").click()
    expect(page.get_by_text("colour is the square root")).to_be_visible()
    expect(page).to_have_url(re.compile("overlays=0"))


def point_of(page, layer, head):
    """Where a head of DINOv2 stands on the screen; its cells are as tall as fits."""
    canvas = page.locator(".grid canvas")
    canvas.scroll_into_view_if_needed()
    settle(page)
    box = canvas.bounding_box()
    size = (box["width"] - 28) / 6
    return box["x"] + 26 + (head + 0.5) * size, box["y"] + 18 + (layer + 0.5) * size


def test_a_picture_that_replaces_another_keeps_the_head(page, server, cat, tmp_path):
    opened(page, f"{server}/?model=dinov2&media={cat}")
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible(timeout=READY)
    x, y = point_of(page, 9, 1)
    page.mouse.click(x, y)
    expect(page.get_by_role("heading", name="Layer 9, head 1")).to_be_visible()
    Image.fromarray(load_sample_images().images[1]).save(tmp_path / "flower.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "flower.png")
    settle(page)
    before = page.url
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(lambda url: url != before, timeout=READY)
    expect(page).to_have_url(re.compile(r"media=[0-9a-f]{40}\.png.*layer=9&head=1.*token=\d+"))


def test_a_patch_is_chosen_with_the_keyboard_alone(page, server, cat):
    opened(page, f"{server}/?model=dinov2&media={cat}")
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible(timeout=READY)
    choice = page.get_by_role("combobox", name="Looks from (query)")
    choice.focus()
    page.keyboard.type("3,4 ")
    # The list follows what is typed; a key that is ahead of it would choose "13,4".
    expect(page.get_by_role("option").first).to_have_text(re.compile(r"^3,4 "))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"token=53"))  # [CLS], three rows of sixteen, and four


def test_an_attachment_of_another_kind_waits_for_its_model(page, server, cat):
    opened(page, f"{server}/?model=dinov2&media={cat}")
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible(timeout=READY)
    page.get_by_label("Model", exact=True).click()
    page.get_by_text("Whisper tiny.en").click()
    expect(page.get_by_text("A picture given before stays here")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("reads sounds, and none is given")).to_be_visible(timeout=READY)
    page.get_by_label("Model", exact=True).click()
    page.get_by_text("DINOv2 small").click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("reads sounds, and none is given")).to_have_count(0, timeout=READY)
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible()


def test_a_link_to_a_picture_opens_it_and_a_truncated_one_is_refused(page, server, cat, tmp_path):
    opened(page, f"{server}/?model=dinov2&media={cat}")
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible(timeout=READY)
    broken = tmp_path / "broken.png"
    Image.effect_noise((64, 64), 90).save(broken)
    broken.write_bytes(broken.read_bytes()[:-900])
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.get_by_text("is damaged or truncated")).to_be_visible(timeout=READY)
    expect(page.get_by_text("The picture is cut and scaled")).to_be_visible()


def test_a_voice_is_written_down_and_looked_along(page, server):
    opened(page, server)
    example(page, "A voice (sound)")
    expect(page.get_by_text("And Mr. John Dashwood had then leisure")).to_be_visible(timeout=READY)
    # It opens where words look at the sound, in a late layer.
    expect(page.get_by_role("radio", name="cross")).to_be_checked()
    expect(page).to_have_url(re.compile(r"stack=cross.*layer=[23]"))
    expect(page.get_by_text(re.compile("of the weight lies"))).to_be_visible(timeout=READY)
    expect(page.get_by_text("time (s)")).to_be_visible()
    expect(page.get_by_text("28 tokens x 356 frames")).to_be_visible()
    expect(
        page.get_by_text(re.compile("The sound ends at 7.1 s; .*of this head's weight"))
    ).to_be_visible()


def test_another_stack_of_a_sound_ends_where_the_sound_does(page, server, voice):
    opened(page, f"{server}/?model=whisper&media={voice}")
    expect(page.get_by_text("And Mr. John Dashwood had then leisure")).to_be_visible(timeout=READY)
    page.get_by_role("radio", name="encoder").click()
    expect(page.get_by_text("356 x 356 frames")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile(r"stack=encoder&layer=3.*token=\d+"))


def test_a_sound_in_which_nothing_is_heard_says_so(page, server, tmp_path):
    opened(page, f"{server}/?layer=0&head=0")
    page.get_by_label("Model", exact=True).click()
    page.get_by_text("Whisper tiny.en").click()
    expect(page.get_by_text("Give a sound").first).to_be_visible()
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 1e-4
    soundfile.write(tmp_path / "hiss.wav", noise, 16_000)
    page.locator("input[type=file]").set_input_files(tmp_path / "hiss.wav")
    expect(page.get_by_role("button", name="Remove")).to_be_visible(timeout=READY)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("Nothing was heard: the model writes no words")).to_be_visible(
        timeout=READY
    )
    expect(page.get_by_text("The sound ends at 1.0 s").first).to_be_visible()


@pytest.mark.parametrize("width", [1024, 1280])
def test_long_names_leave_the_weight_of_an_edge_in_sight(page, server, voice, width):
    page.set_viewport_size({"width": width, "height": 1600})
    opened(page, f"{server}/?model=whisper&media={voice}&stack=decoder")
    expect(page.get_by_text("And Mr. John Dashwood had then leisure")).to_be_visible(timeout=READY)
    expect(page.get_by_text("startoftranscript").first).to_be_visible(timeout=READY)
    table = page.locator(".dvn-scroller").first
    table.scroll_into_view_if_needed()
    assert table.evaluate("(table) => table.scrollWidth <= table.clientWidth")


def test_a_model_that_reads_sounds_asks_for_one(page, server):
    opened(page, f"{server}/?layer=0&head=0")
    page.get_by_label("Model", exact=True).click()
    page.get_by_text("Whisper tiny.en").click()
    expect(page.get_by_text("Give a sound").first).to_be_visible()
    expect(page.get_by_label("Text", exact=True)).to_have_count(0)
