"""Pictures and sounds that users give: kept by digest, read by kind, refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from transformers import ViTConfig, ViTModel

import viz
from viz.capture.layers.heard_layer import on_padding
from viz.errors import InputError, StorageError
from viz.service import FileStore, Request, Workbench, sense_of
from viz.service.uploaded_media import loudness, seen_picture


def silent(phase, share):
    pass


def test_a_file_is_kept_once_and_named_by_what_is_in_it(tmp_path):
    store = FileStore(tmp_path / "media", "picture or sound")
    name = store.put(b"abc", ".png")
    assert store.put(b"abc", ".png") == name
    assert store.path(name).read_bytes() == b"abc"
    assert store.path(name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a" * 40 + ".png", "", "x.png", "/etc/passwd"]
)
def test_a_name_that_is_none_leads_nowhere(tmp_path, name):
    with pytest.raises(StorageError, match="not kept on this machine"):
        FileStore(tmp_path, "picture or sound").path(name)


def test_the_kind_of_a_file_is_told_by_its_name():
    assert (sense_of("a.JPG"), sense_of("b.flac")) == ("image", "sound")
    with pytest.raises(InputError, match=r"ends in \.exe"):
        sense_of("c.exe")


def test_a_picture_is_shown_as_the_model_sees_it():
    class Processor:
        do_normalize, image_mean, image_std = True, [0.5, 0.4, 0.3], [0.2, 0.2, 0.2]

    picture = torch.rand(3, 4, 5)
    mean, std = (torch.tensor(v)[:, None, None] for v in ([0.5, 0.4, 0.3], [0.2, 0.2, 0.2]))
    shown = seen_picture(((picture - mean) / std)[None], Processor())
    expected = (picture * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(shown.astype(float) - expected).max() <= 1
    assert seen_picture(torch.zeros(1, 9, 12), Processor()) is None


def test_loudness_is_the_largest_sample_of_each_step(tmp_path):
    wave = np.zeros(16_000, np.float32)
    wave[8_000:8_100] = np.sin(np.arange(100) / 3)
    soundfile.write(tmp_path / "a.wav", wave, 16_000)
    steps, seconds = loudness(tmp_path / "a.wav")
    assert seconds == pytest.approx(1.0)
    assert abs(int(np.argmax(steps)) / len(steps) - 0.5) < 0.02


@pytest.mark.parametrize(
    ("make", "suffix", "message"),
    [
        (lambda file: file.write_bytes(b"no picture"), ".png", "could not be read as an image"),
        (lambda file: Image.new("RGB", (4, 4)).save(file), ".gif", None),
        (
            lambda file: soundfile.write(file, np.ones(800), 8_000),
            ".wav",
            "reads images, not sounds. Give an image, or choose a model that reads sounds.",
        ),
    ],
)
def test_what_the_model_of_pictures_is_given(make, suffix, message, tmp_path):
    bench = Workbench(FileStore(tmp_path / "media", "picture or sound"))
    file = tmp_path / f"given{suffix}"
    make(file)
    request = Request("dinov2", "", media=bench.media.put(file.read_bytes(), suffix))
    if message is None:
        analysis = bench.analyse("ann", request, silent)
        assert analysis.picture.shape == (224, 224, 3)
        assert bench.check(request, silent).exact
    else:
        with pytest.raises(viz.LoupeError, match=message) as caught:
            bench.analyse("ann", request, silent)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("text", ["hello", "", "  ", "a\x00b"])
def test_a_model_of_pictures_without_one_says_what_it_reads(text):
    with pytest.raises(viz.LoupeError, match="reads images, and none is given"):
        Workbench().analyse("ann", Request("dinov2", text), silent)


def test_a_model_of_texts_with_a_picture_says_so_in_words_for_the_page(tmp_path):
    bench = Workbench(FileStore(tmp_path / "media", "picture or sound"))
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    name = bench.media.put((tmp_path / "a.png").read_bytes(), ".png")
    with pytest.raises(viz.LoupeError, match=r"reads texts, not images\. Run it on the text alone"):
        bench.analyse("ann", Request("demo", "hello", media=name), silent)


def test_a_model_without_its_processor_says_so_in_words_for_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", str(tmp_path))
    config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, image_size=32)
    ViTModel(config).save_pretrained(tmp_path / "bare")
    bench = Workbench(FileStore(tmp_path / "media", "picture or sound"))
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    name = bench.media.put((tmp_path / "a.png").read_bytes(), ".png")
    with pytest.raises(viz.LoupeError, match=r"no processor.*preprocessor_config\.json"):
        bench.analyse("ann", Request("bare", "", media=name, local=True), silent)


def voice(tmp_path, seconds, loudness=0.4):
    rate = 16_000
    at = np.arange(int(seconds * rate)) / rate
    wave = loudness * np.sin(2 * np.pi * 220 * at) * np.sin(2 * np.pi * 3 * at) ** 2
    soundfile.write(tmp_path / "voice.wav", wave, rate)
    return (tmp_path / "voice.wav").read_bytes()


@pytest.mark.parametrize(("seconds", "frames"), [(1.0, 50), (2.05, 103), (31.0, 1500)])
def test_of_a_sound_the_axes_end_where_it_ends(seconds, frames, tmp_path):
    bench = Workbench(FileStore(tmp_path / "media", "picture or sound"))
    name = bench.media.put(voice(tmp_path, seconds), ".wav")
    analysis = bench.analyse("ann", Request("whisper", "", pair="Hello there", media=name), silent)
    stacks = analysis.trace.stacks
    assert len(stacks["encoder"].queries) == len(stacks["encoder"].keys) == frames
    assert len(stacks["cross"].keys) == frames
    assert len(stacks["cross"].queries) == len(stacks["decoder"].keys)
    assert analysis.statistics["cross"].entropy_nats.shape == (4, 6)
    model = bench.model(analysis.request, silent)
    whole = viz.capture(model, sound=tmp_path / "voice.wav", target="Hello there")
    for head in range(6):
        expected = whole.stacks["cross"].weights(3, head)
        got = stacks["cross"].weights(3, head)
        assert torch.equal(got, expected[:, :frames])
        lost = on_padding(stacks["cross"], 3, head)
        torch.testing.assert_close(lost, expected[:, frames:].sum(dim=1), atol=1e-6, rtol=0)


def test_a_model_that_hears_nothing_to_write_down_says_so(tmp_path):
    bench = Workbench(FileStore(tmp_path / "media", "picture or sound"))
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 1e-4
    soundfile.write(tmp_path / "a.wav", noise, 16_000)
    name = bench.media.put((tmp_path / "a.wav").read_bytes(), ".wav")
    analysis = bench.analyse("ann", Request("whisper", "", media=name), silent)
    assert analysis.written == ""
    assert analysis.trace.stacks["cross"].queries.labels[0] == "<|startoftranscript|>"
