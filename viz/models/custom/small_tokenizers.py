"""Small tokenizers that travel with a model: by character, by word, or by byte pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from viz.errors import TextError
from viz.models.custom.option_checks import require_count

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[BOS]", "[EOS]"
SPECIAL = (PAD, UNKNOWN, START, END)

# Characters beyond this are rare ones of a text in many scripts, which nothing learns from.
MOST_CHARACTERS = 2_000

# Every byte is a token of its own before any are joined.
BYTES = 256


def character_tokenizer(
    texts: Iterable[str], *, start: bool = False, end: bool = False
) -> PreTrainedTokenizerFast:
    """Make every character of some texts a token; others are unknown.

    Args:
        texts: whose characters there are to be, the commonest first.
        start: whether every text is to begin with [BOS].
        end: whether every text is to end with [EOS].

    Raises:
        TextError: there are no characters.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    most = MOST_CHARACTERS + len(SPECIAL)
    trainer = trainers.WordLevelTrainer(
        vocab_size=most, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrapped(tokenizer, start=start, end=end)


def word_tokenizer(
    texts: Iterable[str],
    *,
    vocab_size: int = 8_000,
    lower: bool = False,
    start: bool = False,
    end: bool = False,
) -> PreTrainedTokenizerFast:
    """Make the commonest words and punctuation marks of some texts tokens; others are unknown.

    Args:
        texts: whose words there are to be.
        vocab_size: how many tokens there are at most.
        lower: whether capitals are read as small letters.
        start: whether every text is to begin with [BOS].
        end: whether every text is to end with [EOS].

    Raises:
        TextError: there are no words.
    """
    require_count("vocab_size", vocab_size, least=len(SPECIAL) + 1)
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrapped(tokenizer, start=start, end=end)


def symbol_tokenizer(
    symbols: Sequence[str], *, start: bool = False, end: bool = False
) -> PreTrainedTokenizerFast:
    """Make given symbols tokens, in their order; a text has spaces between them.

    Args:
        symbols: names without spaces, such as digits or the items of a shop.
        start: whether every text is to begin with [BOS].
        end: whether every text is to end with [EOS].

    Raises:
        TextError: a symbol is empty, holds a space or comes twice.
    """
    for symbol in symbols:
        if not symbol or symbol.split() != [symbol]:
            raise TextError(
                f"The symbol {symbol!r:.40} is empty or holds a space.",
                "Spaces stand between symbols; leave them out of one.",
            )
    vocabulary = {symbol: place for place, symbol in enumerate((*SPECIAL, *symbols))}
    if len(vocabulary) < len(SPECIAL) + len(symbols):
        raise TextError("A symbol comes twice.", "Give every symbol once.")
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIAL))
    return _wrapped(tokenizer, start=start, end=end)


def byte_pair_tokenizer(
    texts: Iterable[str], *, vocab_size: int = 1_000, start: bool = False, end: bool = False
) -> PreTrainedTokenizerFast:
    """Join the commonest neighbours of some texts, byte by byte, as GPT-2 does; nothing is unknown.

    Args:
        texts: to learn from.
        vocab_size: how many tokens there are at most.
        start: whether every text is to begin with [BOS].
        end: whether every text is to end with [EOS].

    Source: Sennrich et al. 2016; bytes: Radford et al. 2019.
    """
    require_count("vocab_size", vocab_size, least=len(SPECIAL) + BYTES)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrapped(tokenizer, start=start, end=end)


def _wrapped(tokenizer: Tokenizer, *, start: bool, end: bool) -> PreTrainedTokenizerFast:
    """Add what stands before and after every text, and name the special tokens.

    Raises:
        TextError: there is nothing but special tokens.
    """
    if tokenizer.get_vocab_size() <= len(SPECIAL):
        raise TextError(
            "A tokenizer was to be made of texts in which there is nothing to read.",
            "Give a text with at least one character that is no space.",
        )
    if start or end:
        around = f"{START + ' ' if start else ''}$A{' ' + END if end else ''}"
        named = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=around, special_tokens=named
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
