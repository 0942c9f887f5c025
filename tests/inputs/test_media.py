"""Images and sounds: what is read, and what is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
import transformers as hf
from PIL import Image

import viz
from tests.models.folders import word_tokenizer
from viz.inputs.media import MOST_PIXELS, read_image, read_sound

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L", "RGBA", "P", "1"])
def test_any_mode_becomes_rgb(mode, tmp_path):
    name = tmp_path / ("a.jpg" if mode in ("RGB", "CMYK", "L") else "a.png")
    PICTURE.convert(mode).save(name)
    assert (read_image(name).mode, read_image(name).size) == ("RGB", (60, 40))


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif").getpixel((0, 0))[0] > 200


def truncated(path):
    PICTURE.save(path)
    path.write_bytes(path.read_bytes()[:-900])
    return path


def text_file(path):
    path.write_text("no picture")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (truncated, "damaged or truncated"),
        (text_file, "could not be read as an image"),
        (lambda path: path, "is not there"),
        (lambda path: Image.new("RGB", (0, 0)), "0 x 0 pixels"),
        (lambda path: Image.new("1", (MOST_PIXELS, 2)), "at most 50,000,000"),
    ],
)
def test_what_is_no_picture_is_refused(make, message, tmp_path):
    with pytest.raises(viz.LoupeError, match=message):
        read_image(make(tmp_path / "a.png"))


SQUARE = np.linspace(0, 1, 4 * 4 * 3).reshape(4, 4, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.where(SQUARE > 0.5, np.nan, SQUARE), "The image holds NaN"),
        (np.zeros(20), r"has shape \(20,\)"),
        (np.zeros((1, 3, 20, 20)), r"has shape \(1, 3, 20, 20\)"),
        (np.zeros((3, 20, 20)), r"shape \(3, 20, 20\)\. Its channels come first"),
        (np.zeros((20, 20, 5)), r"has shape \(20, 20, 5\)"),
        (SQUARE - 0.5, "holds -0.5, and no colour is below 0"),
        (SQUARE * 1000, "holds 1000, and 255 is the lightest"),
        (SQUARE * 1.2, "is 1.2, a little over 1"),
        (SQUARE * 1j, "of complex128, no array of numbers"),
        (object(), "is an object, no array of numbers"),
        ([[1, 2], [3]], "is a list of no shape"),
        (b"\x89PNG", "is a bytes, no array of numbers"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_for_what_it_is(array, message):
    with pytest.raises(viz.LoupeError, match=message) as caught:
        read_image(array)
    assert caught.value.hint
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, np.ndarray.tolist])
@pytest.mark.parametrize("most", [1, 255])
def test_an_array_holds_numbers_up_to_1_or_up_to_255(make, most):
    image = read_image(make(SQUARE * most))
    assert (image.mode, image.getpixel((0, 0)), image.getpixel((3, 3))[2]) == (
        "RGB",
        (0, 5, 10),
        255,
    )


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4)])
def test_an_array_is_grey_or_coloured_or_transparent(shape):
    assert read_image(np.ones(shape, dtype=np.uint8)).size == (5, 4)


def tone(rate, seconds, channels=1):
    wave = np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * 440 / rate).astype(np.float32)
    return wave if channels == 1 else np.stack([wave] * channels, axis=1)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (16_000, 1)])
def test_any_rate_and_any_channels_become_one_at_the_rate_wanted(rate, channels, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(rate, 1.0, channels), rate)
    heard = read_sound(tmp_path / "a.wav", 16_000)
    assert heard.shape == (16_000,)
    assert np.abs(np.fft.rfft(heard)).argmax() == 440


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        ((np.zeros(1000), 16_000), "silent"),
        ((np.zeros(0), 16_000), "is empty"),
        ((np.full(10, np.nan), 16_000), "NaN"),
        ((np.ones(16_000 * 3600, dtype=np.float32), 16_000), "lasts 3,600 s"),
        ((np.ones((2, 2, 2)), 16_000), "shape"),
        ("missing.wav", "is not there"),
        (np.zeros(1600), r"a ndarray of shape \(1600,\) without a rate. Give \(samples, rate\)"),
        ([0.0, 0.1, 0.2], "a list without a rate"),
        (5, "an int without a rate"),
        ((16_000, np.ones(1600)), "rate of the sound is a ndarray"),
        ((np.ones(1600), None), "rate of the sound is None"),
        ((object(), 16_000), "an object, no array of numbers"),
    ],
)
def test_what_is_no_sound_is_refused(sound, message):
    with pytest.raises(viz.LoupeError, match=message):
        read_sound(sound, 16_000)


def test_an_hour_in_a_file_is_refused_before_it_is_read(tmp_path):
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 8_000, 1, subtype="PCM_U8") as file:
        for _ in range(60):
            file.write(np.zeros(8_000 * 60, dtype=np.float32))
    with pytest.raises(viz.LoupeError, match="lasts 3,600 s"):
        read_sound(tmp_path / "a.wav", 16_000)


@pytest.mark.parametrize("called", ["holiday.png", ""])
@pytest.mark.parametrize("make", [truncated, text_file, lambda path: path])
def test_messages_about_pictures_have_the_name_that_is_known(make, called, tmp_path):
    with pytest.raises(viz.LoupeError) as caught:
        read_image(make(tmp_path / "a.png"), called=called)
    assert caught.value.message.startswith(f"The image {called}".strip() + " ")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("called", ["voice.wav", ""])
@pytest.mark.parametrize("make", [text_file, lambda path: path, lambda path: path.parent])
def test_messages_about_sounds_have_the_name_that_is_known(make, called, tmp_path):
    with pytest.raises(viz.LoupeError) as caught:
        read_sound(make(tmp_path / "a.wav"), 16_000, called=called)
    assert caught.value.message.startswith(f"The sound {called}".strip() + " ")
    assert str(tmp_path) not in str(caught.value)


def test_a_path_is_named_once(tmp_path):
    file = text_file(tmp_path / "a.wav")
    with pytest.raises(viz.LoupeError) as caught:
        read_sound(file, 16_000)
    assert caught.value.message == f"The sound {file} could not be read: Format not recognised."


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_a_truncated_sound_is_refused(kind, tmp_path):
    file = tmp_path / f"a.{kind}"
    soundfile.write(file, tone(16_000, 3.0), 16_000)
    assert len(read_sound(file, 16_000)) >= 48_000
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(viz.LoupeError, match=r"truncated: it says that it lasts 3\.|could not be"):
        read_sound(file, 16_000)


@pytest.mark.parametrize("claimed", [0x7FFFF000, 0xFFFFFFFF])
def test_a_sound_that_was_written_as_it_came_claims_no_length(claimed, tmp_path):
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(16_000, 1.0), 16_000)
    content = file.read_bytes()
    at = content.index(b"data") + 4
    file.write_bytes(content[:at] + claimed.to_bytes(4, "little") + content[at + 4 :])
    assert len(read_sound(file, 16_000)) == 16_000


def test_a_picture_goes_through_the_models_own_processor():
    config = hf.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=32,
        patch_size=8,
    )
    processor = hf.ViTImageProcessor(size={"height": 32, "width": 32})
    model = viz.wrap_model(hf.ViTModel(config), processor=processor)
    stack = viz.capture(model, image=PICTURE).stacks["self"]
    assert stack.queries.labels[:3] == ("[CLS]", "0,0", "0,1")
    assert stack.queries.kind == "patch"
    with pytest.raises(viz.LoupeError, match="no processor"):
        viz.capture(viz.wrap_model(hf.ViTModel(config)), image=PICTURE)


def two_towers():
    """A small model that reads a text and an image together."""
    tower = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
    }
    config = hf.CLIPConfig(
        text_config={**tower, "vocab_size": 97, "bos_token_id": 2, "eos_token_id": 3},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    maker = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = hf.CLIPProcessor(maker, word_tokenizer())
    return viz.wrap_model(
        hf.CLIPModel(config), processor.tokenizer, processor=processor, name="clip"
    )


def test_a_model_of_two_senses_says_which_is_missing():
    model = two_towers()
    assert viz.capture(model, "the cat", image=PICTURE).stacks["text"].queries.kind == "token"
    for given, message in (
        ({"inputs": "the cat"}, "clip does not run on a text alone. Give an image beside it."),
        ({"image": PICTURE}, "clip does not run on an image alone. Give a text beside it."),
        ({}, "clip was given nothing to read. Give it an image or a text."),
        ({"sound": (tone(8_000, 1.0), 8_000)}, "reads images or texts, not sounds"),
    ):
        with pytest.raises(viz.LoupeError, match=message):
            viz.capture(model, **given)


def test_a_model_of_texts_says_that_it_reads_no_image():
    with pytest.raises(viz.LoupeError, match="reads texts, not images"):
        viz.capture(viz.load_model("demo"), image=PICTURE)


def test_a_sound_goes_through_the_models_own_processor():
    config = hf.WhisperConfig(
        vocab_size=97,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        num_mel_bins=8,
        max_source_positions=50,
        pad_token_id=0,
        decoder_start_token_id=1,
    )
    extractor = hf.WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    model = viz.wrap_model(hf.WhisperForConditionalGeneration(config), processor=extractor)
    trace = viz.capture(model, sound=(tone(8_000, 0.7), 8_000))
    assert {n: (len(s.queries), len(s.keys)) for n, s in trace.stacks.items()} == {
        "encoder": (50, 50),
        "decoder": (1, 1),
        "cross": (1, 50),
    }


def test_traces_of_two_pictures_have_keys_of_their_own():
    config = hf.ViTConfig(
        image_size=32, patch_size=8, hidden_size=32, num_hidden_layers=1, num_attention_heads=4
    )
    model = viz.wrap_model(hf.ViTModel(config))
    one, two = (
        viz.capture(model, {"pixel_values": torch.full((1, 3, 32, 32), shade)})
        for shade in (0.1, 0.9)
    )
    assert one.key != two.key
    assert one.key == viz.capture(model, {"pixel_values": torch.full((1, 3, 32, 32), 0.1)}).key


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(viz.LoupeError, match="is a folder"):
        read_image(tmp_path)
