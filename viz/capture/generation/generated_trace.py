"""A text as a model writes it: one row for each token that it read, the prompt's and its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from viz.capture.capture import capture_prepared
from viz.capture.generation.generation_options import asked_of
from viz.capture.generation.generation_record import Witness
from viz.capture.generation.row_stitching import as_written
from viz.capture.generation.running_generation import Chance, generate
from viz.capture.observed_pass import Progress, Telling
from viz.capture.stack import Stacks
from viz.capture.trace import Trace
from viz.errors import CaptureError, ShapeError, TextTooLongError
from viz.inputs.input_checks import check_text
from viz.inputs.prepare import prepare
from viz.inputs.prepared import Prepared
from viz.inputs.text import with_prompts
from viz.inputs.units import units_from_ids
from viz.models import Model
from viz.models.argument_checks import require_model, whole_number


def capture_generation(
    model: Model,
    text: str,
    *,
    new_tokens: int = 20,
    progress: Progress | None = None,
    **options: Any,
) -> Trace:
    """Let a model go on with a text, and show where every token looked while it was written.

    The model writes as it would by itself, and the finished text is captured in one pass. Both must
    answer alike at every written token: then no row depends on a later one, and the pass shows what
    writing did. Where a model changes its positions midway (dynamic NTK), the rows are those that it
    computed while it wrote, which its provenance says; where it read the text again from the start
    (Phi-3), they are those of the last reading.

    Args:
        model: a causal language model, or an encoder-decoder.
        text: the prompt, or what an encoder-decoder reads.
        new_tokens: how many to write at most, whatever the model's own configuration says; it may
            stop before.
        progress: called with "forward" and the share done; may raise to cancel.
        options: further ones of the model's `generate`, such as `do_sample`; greedy by default. What
            the model's own `generation_config` asks for besides holds, such as beams.

    Returns:
        A trace of the prompt and what was written; its last token was written and never read, so
        that it has no row. Its `output` is None where rows are those of the writing itself.

    Raises:
        CaptureError: the model writes no text, fails while it does, or answers otherwise than in
            one pass over the same text.
        ShapeError: an option is unknown, or asks for what one trace cannot show.
        TextTooLongError: the model does not read as many tokens.

    Cost: that of generating, and of one captured pass over the finished text.
    """
    require_model(model)
    _require_writer(model)
    new_tokens = whole_number(new_tokens, "number of new tokens")
    if new_tokens < 1:
        raise ShapeError(f"{new_tokens} new tokens were asked for.", "Ask for at least 1.")
    prepared = prepare(model, check_text(text))
    prompt = len(prepared.units) if model.kind == "causal" else 1
    _require_room(model, prompt, new_tokens)
    asked = asked_of(model, options, new_tokens=new_tokens, prompt=prompt)
    tell = Telling(progress)
    witness = Witness(model.module, prompt, new_tokens, tell)
    chance = Chance.now()
    ids = generate(model, prepared, asked, tell, witness.watching)
    trace = capture_prepared(model, _finished(model, prepared, ids), progress)
    if trace.output is None or trace.output.ndim != 2 or len(trace.output) != ids.shape[1] - 1:
        raise CaptureError(
            f"{model.name} answers other than one row of logits a token, so that nothing tells "
            "whether one pass shows what it did while it wrote.",
            "Capture a finished text: viz.capture(model, text).",
        )
    drafting = asked.config.assistant_early_exit is not None
    account = witness.account(ids[0], trace.output, drafting=drafting)
    if account.changed is not None or account.late is not None:
        again = replace(asked, options={n: v for n, v in asked.options.items() if n != "streamer"})
        with chance.as_it_was():
            return as_written(model, prepared, again, ids, account, tell)
    guessed = [at for at in account.unseen if int(trace.output[at].argmax()) != int(ids[0, at + 1])]
    if guessed:
        raise CaptureError(
            f"{model.name} was not seen to write token {guessed[0] + 1}, which in one pass is not "
            "the most probable one there, so that nothing tells whether that pass shows what it did.",
            asked.advice(CaptureError("")),
        )
    if account.early:
        trace = _flagged(
            trace,
            f"read again from the start at {account.again} tokens, otherwise than before: "
            "these are the rows of the last reading",
        )
    return replace(trace, text=text)


def _require_writer(model: Model) -> None:
    """Make sure that a model writes text, and the same each time.

    Raises:
        CaptureError: it does not.
    """
    module: Any = model.module
    can = getattr(module, "can_generate", None)
    if model.kind not in ("causal", "seq2seq") or not (callable(can) and can()):
        raise CaptureError(
            f"{model.name} writes no text; it is of the kind {model.kind!r}.",
            "Choose a language model or an encoder-decoder.",
        )
    if module.training:
        raise CaptureError(
            f"{model.name} is in training mode, so chance takes part in what it computes.",
            "Call model.module.eval() before the capture.",
        )


def _require_room(model: Model, prompt: int, new_tokens: int) -> None:
    """Make sure that a model reads the prompt and all that it writes but the last.

    Raises:
        TextTooLongError: it does not.
    """
    limit = model.context_limit if model.written_limit is None else model.written_limit
    if limit is None or prompt + new_tokens - 1 <= limit:
        return
    room = limit - prompt + 1
    fewer = f"Ask for at most {room:,} new tokens" if room > 0 else "Shorten the text"
    raise TextTooLongError(
        f"{prompt:,} tokens and {new_tokens:,} new ones are more than {model.name} reads: {limit:,}.",
        f"{fewer}, or choose a model with a longer context.",
        tokens=prompt + new_tokens,
        limit=limit,
    )


def _finished(model: Model, prepared: Prepared, ids: Tensor) -> Prepared:
    """Prepare a finished text as it was read: its last token never was."""
    read = ids[:, :-1]
    written = units_from_ids(model.tokenizer, read[0].tolist())
    if model.kind == "seq2seq":
        inputs = {**prepared.inputs, "decoder_input_ids": read}
        tokenizer: Any = model.tokenizer
        said = str(tokenizer.decode(read[0].tolist(), skip_special_tokens=True))
        return replace(prepared, inputs=inputs, pair=said, known=(prepared.units, written))
    inputs = {"input_ids": read}
    for name, value in prepared.inputs.items():
        # What tells of each token, such as a mask, goes on as it ended.
        if name != "input_ids" and isinstance(value, Tensor) and value.ndim == 2:
            more = read.shape[1] - value.shape[1]
            inputs[name] = torch.cat([value, value[:, -1:].expand(1, max(0, more))], dim=1)
    return replace(prepared, inputs=inputs, units=written, known=with_prompts(model, written))


def _flagged(trace: Trace, flag: str) -> Trace:
    """Say something of every layer of a trace."""
    stacks = Stacks()
    for name, stack in trace.stacks.items():
        records: list[Any] = list(stack.records)
        for place, record in enumerate(records):
            said = replace(record.provenance, flags=(*record.provenance.flags, flag))
            records[place] = replace(record, provenance=said)
        stacks[name] = replace(stack, records=tuple(records))
    return replace(trace, stacks=stacks)
