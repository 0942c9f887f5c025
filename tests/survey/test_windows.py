"""Texts of a corpus are cut into windows that a model reads, none too long and none lost."""

from __future__ import annotations

import re
from itertools import islice

import pytest
import transformers as hf
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

import viz
from tests.models.folders import TEXT, save_small, save_vision
from viz.errors import InputError, ModelRefusedError, ShapeError, TextError
from viz.inputs.text import count_tokens
from viz.models.catalogue import CATALOGUE, local_folder
from viz.survey.texts.corpus import SourceText, open_corpus
from viz.survey.texts.window_cutting import readable
from viz.survey.texts.windows import default_length, windows
from viz.training.bundled_data import text_of

PROSE = "The cat sat on the mat, because it was tired; the dog (who was not) didn't. "

# What cutting meets: words, scripts without spaces, marks that belong to letters, line ends.
PIECES = [
    "word", " ", "  ", "\n", "\n\n", "\r\n", "\t", "internationalisation", "a" * 90, "don't", "3.14",
    "猫が好き。", "吾輩は猫である", "ภาษาไทย", "مرحبا بالعالم", "وَعَلَيْكُم", "हिन्दी में", "🙂", "👩‍👩‍👧‍👦", "👍🏽",
    "e\u0301", "\ufdfa", "\u200b", "\ufeff", "\x00", "\ud83d", "\ufdd0", "\x01", "[SEP]", "</s>", PROSE,
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=60).map("".join)


class Reads(nn.Module):
    """Stands behind a tokenizer; nothing is run through it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(60_000, 1)

    def forward(self, input_ids):
        return self.embed(input_ids)


def behind(tokenizer):
    return viz.wrap_model(Reads(), tokenizer)


def sentencepiece_tokenizer():
    """One that puts a space before every text, as Llama 2's, and unfolds ligatures, as T5's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([*TEXT, PROSE], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>"
    )


def of_catalogue(name):
    folder = local_folder(CATALOGUE[name])
    assert folder is not None, f"loupe fetch {name} brings it"
    return hf.AutoTokenizer.from_pretrained(folder)


# Says so when a text ends as every text does for a model.
pytestmark = pytest.mark.filterwarnings("ignore:This sequence already has </s>")

TOKENIZERS = {
    "minilm": lambda: of_catalogue("minilm"),
    "loupe": lambda: of_catalogue("loupe"),
    "smollm2": lambda: of_catalogue("smollm2"),
    "sentencepiece": sentencepiece_tokenizer,
    "bytes, without offsets": hf.ByT5Tokenizer,
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def model(request):
    return behind(TOKENIZERS[request.param]())


@pytest.fixture(scope="module")
def minilm():
    return behind(of_catalogue("minilm"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return viz.load_model(str(save_small(tmp_path_factory.mktemp("small"))))


def sources(*texts):
    return [SourceText(number, f"a.jsonl:{number + 1}", text) for number, text in enumerate(texts)]


def cut(texts, model, **options):
    """Cut, and take no windows where there are none."""
    made = windows(sources(*texts), model, **options)
    try:
        return made, list(made)
    except TextError:
        return made, []


def without_spaces(text):
    return "".join(text.split())


@given(text=TEXTS, length=st.integers(8, 24), least=st.integers(1, 4))
@example(text="a" * 400, length=8, least=1)
@example(text="吾輩は猫である" * 30, length=9, least=2)
@example(text="\u200b" * 300 + "word", length=8, least=2)
@example(text="\ufdfa" * 3 + " word", length=8, least=1)
def test_windows_hold_a_text_without_overlap_or_gap(model, text, length, least):
    made, found = cut([text], model, length=length, least=least)
    at = gaps = 0
    for window in found:
        assert readable(text)[window.start :].startswith(window.text)
        assert window.start >= at
        gaps += bool(text[at : window.start].strip())
        at = window.start + len(window.text)
        assert window.text == window.text.strip()
        assert window.tokens == count_tokens(model, window.text) <= length
        assert window.tokens - count_tokens(model, "") >= least
    gaps += bool(text[at:].strip())
    # A gap holds what was dropped, several in a row at times.
    assert gaps <= made.dropped
    assert made.given == len(found)
    assert made.tokens == sum(window.tokens for window in found)


@given(texts=st.lists(TEXTS, max_size=6), length=st.integers(8, 40))
def test_packed_windows_hold_all_texts_one_after_another(model, texts, length):
    made, found = cut(texts, model, length=length, packed=True, least=1)
    together, whole = (
        without_spaces("".join(window.text for window in found)),
        without_spaces("".join(map(readable, texts))),
    )
    if not made.dropped:
        assert together == whole
    at = iter(whole)
    assert all(character in at for character in together)
    for window in found:
        assert window.tokens == count_tokens(model, window.text) <= length
        begun = readable(texts[int(window.source.rpartition(":")[2]) - 1])[window.start :]
        assert begun.startswith(window.text.split("\n\n")[0].split("\n")[0].rstrip())


@pytest.mark.parametrize("packed", [False, True])
def test_what_a_window_says_is_what_is_captured(small, packed):
    texts = sources(PROSE, "猫が好き🙂 " * 9, "half \ud83d and null \x00")
    for window in windows(texts, small, length=12, packed=packed):
        assert len(viz.capture(small, window.text).units) == window.tokens <= 12


def test_windows_end_between_words_and_are_all_but_full(minilm):
    text = text_of("moby-dick")[:400_000]
    found = list(windows(sources(text), minilm, length=128))
    ends = [window.start + len(window.text) for window in found]
    assert all(re.match(r"\s|$", text[end:]) for end in ends)
    assert sum(window.tokens for window in found) / len(found) > 120


def test_scripts_without_spaces_fill_windows_too(minilm):
    found = list(windows(sources("吾輩は猫である名前はまだ無い" * 300), minilm, length=64))
    assert all(window.tokens == 64 for window in found[:-1])


def test_marks_stay_with_their_letters(model):
    text = "e\u0301" * 200
    cutting = windows(sources(text), model, length=10, least=1)
    assert all(window.text[0] == "e" and window.text[-1] == "\u0301" for window in cutting)


def test_a_window_may_be_longer_than_what_is_tokenised_at_once(minilm):
    text = ("word " + " " * 200) * 3_000
    (first, *_) = windows(sources(text), minilm, length=2_002)
    assert first.tokens == 2_002
    assert len(first.text) > 400_000


def test_texts_one_by_one_begin_windows_of_their_own(minilm):
    found = list(windows(sources("one two", "three four", "five six"), minilm))
    assert [window.text for window in found] == ["one two", "three four", "five six"]
    assert [(window.source, window.start) for window in found] == [
        ("a.jsonl:1", 0),
        ("a.jsonl:2", 0),
        ("a.jsonl:3", 0),
    ]
    assert [window.number for window in found] == [0, 1, 2]


def test_short_texts_are_packed_until_a_window_is_full(minilm):
    texts = [" one two three ", "four five six", "seven eight nine", "ten eleven twelve"]
    found = list(windows(sources(*texts), minilm, length=8, packed=True))
    assert [window.text for window in found] == [
        "one two three\n\nfour five six",
        "seven eight nine\n\nten eleven twelve",
    ]
    assert [(window.source, window.start) for window in found] == [
        ("a.jsonl:1", 1),
        ("a.jsonl:3", 0),
    ]


def test_many_packed_texts_are_told_apart_beyond_what_is_tokenised_at_once(minilm):
    texts = [f"{number} is number {number}." for number in range(12_000)]
    for window in windows(sources(*texts), minilm, length=32, packed=True):
        text = texts[int(window.source.rpartition(":")[2]) - 1]
        assert text[window.start :].startswith(window.text.split("\n\n")[0])


def test_rests_of_too_few_tokens_are_dropped_and_counted(minilm):
    made = windows(sources("one", "one two", "one two three four five six seven"), minilm, length=8)
    assert [window.text for window in made] == ["one two", "one two three four five six"]
    assert (made.given, made.tokens, made.dropped) == (2, 4 + 8, 2)


def test_no_window_is_begun_once_there_are_tokens_enough(minilm):
    texts = iter(sources(*["one two three"] * 9))
    made = windows(texts, minilm, most_tokens=12)
    assert [window.tokens for window in made] == [5, 5, 5]
    assert made.tokens == 15
    assert len(list(texts)) == 6


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("texts", [[], [" "], ["word"], ["\u200b" * 9]])
def test_a_corpus_without_a_window_is_said(minilm, texts, packed):
    with pytest.raises(TextError, match="No text of the corpus has 2 tokens"):
        list(windows(sources(*texts), minilm, packed=packed))


@pytest.mark.parametrize("packed", [False, True])
def test_windows_of_what_was_read_before_a_broken_line_are_not_lost(tmp_path, minilm, packed):
    path = tmp_path / "a.jsonl"
    path.write_text('"one two"\n"three four"\n{broken\n')
    made = windows(open_corpus(path).read(), minilm, packed=packed)
    read = []
    with pytest.raises(TextError, match="Line 3 of"):
        read.extend(window.text for window in made)  # what comes before it fails stays
    assert without_spaces("".join(read)) == "onetwothreefour"


def test_texts_are_read_no_further_than_they_are_asked_for(minilm):
    asked = []

    def endless():
        for source in sources(*["one two three"] * 99):
            asked.append(source.number)
            yield source

    assert len(list(islice(windows(endless(), minilm), 2))) == 2
    assert asked == [0, 1]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"length": 129}, InputError, "Windows of 129 tokens were asked for; .* reads 128"),
        ({"length": 7}, InputError, r"too short .*Choose 8 or more"),
        ({"length": 0}, InputError, "too short"),
        ({"length": 9.5}, ShapeError, "length of a window is a float"),
        ({"most_tokens": 0}, InputError, "number of tokens is 0"),
        ({"least": 0}, InputError, "least number of tokens is 0"),
    ],
)
def test_lengths_that_cannot_be_are_refused_at_once(small, options, kind, message):
    assert default_length(small) == 128
    with pytest.raises(kind, match=message):
        windows(sources("one two"), small, **options)


def test_windows_have_512_tokens_where_a_model_reads_any_number(minilm):
    assert default_length(behind(hf.ByT5Tokenizer())) == 512
    assert windows([], minilm).length == 512


def test_a_model_of_pictures_is_refused(tmp_path):
    pictures = viz.load_model(str(save_vision(tmp_path)))
    with pytest.raises(ModelRefusedError, match="reads images, and a survey is of texts"):
        windows(sources("one two"), pictures)


def test_a_model_without_a_tokenizer_is_refused():
    with pytest.raises(ModelRefusedError, match="has no tokenizer"):
        windows(sources("one two"), viz.wrap_model(Reads()))


def test_what_is_no_model_is_refused():
    with pytest.raises(ModelRefusedError, match=r"Load it first: viz\.load_model"):
        windows(sources("one two"), "demo")
