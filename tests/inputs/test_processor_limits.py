"""What a processor would make of a picture or a sound is bounded before it makes it."""

from __future__ import annotations

import resource
import threading

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from torch.nn import functional

import viz
from viz.errors import BudgetError, InputError, ModelRefusedError
from viz.inputs.processor_limits import MOST_MADE_PIXELS, bounded

LONG, TALL = Image.new("RGB", (20_000, 3)), Image.new("RGB", (3, 20_000))
TOWER = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}


def vision(processor):
    return viz.wrap_model(hf.ViTModel(hf.ViTConfig(**TOWER)), processor=processor, name="seer")


@pytest.mark.parametrize("picture", [LONG, TALL])
@pytest.mark.parametrize(
    "processor",
    [
        hf.CLIPImageProcessor(),
        hf.BitImageProcessor(),
        hf.ConvNextImageProcessor(size={"shortest_edge": 224}),
        hf.LevitImageProcessor(),
        hf.PoolFormerImageProcessor(),
        hf.MobileNetV2ImageProcessor(),
        hf.VideoMAEImageProcessor(),
        hf.Owlv2ImageProcessor(),
    ],
    ids=lambda processor: type(processor).__name__,
)
def test_a_long_picture_is_refused_before_it_is_made_larger(processor, picture):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        InputError, match=r"would make [\d,]+ x [\d,]+ pixels of this picture of"
    ) as caught:
        viz.capture(vision(processor), image=picture)
    assert "rop it" in caught.value.hint
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000, "kilobytes"


def test_the_size_and_how_much_to_crop_are_said():
    with pytest.raises(InputError) as caught:
        viz.capture(vision(hf.CLIPImageProcessor()), image=LONG)
    assert caught.value.message == (
        "The processor of seer would make 1,493,333 x 224 pixels of this picture of 20,000 x 3; at most "
        "25,000,000 are made."
    )
    assert "its longer side is at most 498 times the shorter" in caught.value.hint
    cropped = LONG.crop((0, 0, 3 * 498, 3))
    processor = hf.CLIPImageProcessor(
        size={"shortest_edge": 224}, crop_size={"height": 32, "width": 32}
    )
    assert viz.capture(vision(processor), image=cropped).stacks["self"].layers == 1


def test_a_processor_that_leaves_pictures_as_large_as_they_are_is_given_none_that_is_too_large():
    side = int(MOST_MADE_PIXELS**0.5)
    processor = hf.ViTImageProcessor(do_resize=False)
    with pytest.raises(InputError, match=f"would make {side + 100:,} x {side:,} pixels"):
        viz.capture(vision(processor), image=Image.new("RGB", (side + 100, side)))


def test_more_patches_than_are_run_are_refused_before_the_pass():
    processor = hf.ViTImageProcessor(size={"height": 4_000, "width": 4_000})
    with pytest.raises(BudgetError, match="becomes 250,000 patches; at most 65,536") as caught:
        viz.capture(vision(processor), image=Image.new("RGB", (40, 40)))
    assert "Crop it or scale it down" in caught.value.hint


class ByTorch:
    """A processor of one's own, that scales and pads tensors."""

    def __init__(self, make):
        self.make = make

    def __call__(self, images, return_tensors):
        pixels = torch.from_numpy(np.array(images)).permute(2, 0, 1)[None].float()
        return {"pixel_values": functional.interpolate(self.make(pixels), (32, 32))}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda one: functional.interpolate(one, size=(224, 1_493_333)), "1,493,333 x 224"),
        (lambda one: functional.interpolate(one, scale_factor=75.0), "1,500,000 x 225"),
        (lambda one: functional.pad(one, (0, 0, 0, 19_997)), "20,000 x 20,000"),
    ],
)
def test_tensors_are_bounded_too(make, said):
    processor = ByTorch(make)
    processor.do_resize = True
    with pytest.raises(InputError, match=f"would make {said} pixels"):
        viz.capture(vision(processor), image=LONG)


def test_only_what_runs_inside_is_bounded():
    done = []
    with bounded("seer", (10, 10)):
        other = threading.Thread(target=lambda: done.append(LONG.resize((20_000, 2_000)).size))
        other.start()
        other.join()
        with pytest.raises(InputError, match="20,000 x 2,000"):
            LONG.resize((20_000, 2_000))
    assert done == [(20_000, 2_000)]
    assert LONG.resize((20_000, 2_000)).size == done[0]


def tone(seconds: float) -> tuple[np.ndarray, int]:
    return np.sin(np.arange(int(16_000 * seconds)) / 9).astype(np.float32), 16_000


def listener(**options):
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
    for name, value in options.items():
        setattr(extractor, name, value)
    return viz.wrap_model(
        hf.WhisperForConditionalGeneration(config), processor=extractor, name="hearer"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_samples": 16_000 * 90_000}, r"would make 9,000,001 steps of 201 numbers \(28\.9 GB\)"),
        ({"hop_length": 1, "n_samples": 1_600_000}, r"would make 1,600,001 steps of 201"),
        ({"n_fft": 10_000_000}, r"of 5,000,001 numbers"),
    ],
)
def test_a_sound_of_which_too_much_would_be_made_is_refused(options, said):
    with pytest.raises(InputError, match=said) as caught:
        viz.capture(listener(**options), sound=tone(0.7))
    assert "of this sound of 0.7 s" in caught.value.message
    assert "Cut the sound" in caught.value.hint


def test_a_rate_that_no_sound_has_is_the_processors_fault():
    with pytest.raises(ModelRefusedError, match="wants 100,000,000 samples a second"):
        viz.capture(listener(sampling_rate=100_000_000), sound=tone(0.7))
