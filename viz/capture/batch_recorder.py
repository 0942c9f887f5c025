"""Records every text of a batch: attention calls turned into a layer for each, checked against its own output."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from viz.capture.layers.recorded_layer import Layer, RecordedLayer
from viz.capture.recorder import Recorder
from viz.capture.tiers.registry import AttentionCall
from viz.capture.verification import UNVERIFIED, verified
from viz.errors import VerificationError
from viz.models.part_names import part_names


class BatchRecorder:
    """An observer that keeps queries and keys of all texts of a batch.

    Where all of them look by the same rule, the heads of one text stand beside those of the next, so that a layer of all
    of them is checked at once: as many rows of every head of every text as of one alone.

    Args:
        module: the model.
        batch: how many texts it runs on; each call has to hold as many.
        layers: how many there will be, as far as is known.
    """

    def __init__(self, module: nn.Module, batch: int, layers: int) -> None:
        names = part_names(module)
        self._recorders = [
            Recorder(module, item, expected_layers=layers, batch=batch, names=names)
            for item in range(batch)
        ]
        self._alike: dict[int, tuple[Tensor, bool]] = {}

    def items(self) -> list[list[Layer]]:
        """Return the layers of each text, in the order in which the model called them."""
        return [recorder.layers for recorder in self._recorders]

    def __call__(self, call: AttentionCall) -> None:
        """Record one call.

        Raises:
            CaptureError: dropout is on.
            VerificationError: the weights do not reproduce a layer's output, or the call is no batch of texts.
        """
        batch = len(self._recorders)
        sizes = {len(one) for one in (call.query, call.key, call.value, call.output)}
        if sizes != {batch}:
            raise VerificationError(
                f"A call of the kernel holds {max(sizes)} inputs in a pass over {batch} texts.",
                "Give them one by one.",
            )
        if not self._is_one_rule(call):
            for recorder in self._recorders:
                recorder(call)
            return
        for recorder, layer in zip(self._recorders, self._side_by_side(call), strict=True):
            recorder.add(layer)

    def _side_by_side(self, call: AttentionCall) -> list[RecordedLayer]:
        """Record a call whose texts look by the same rule."""
        first, (batch, heads, queries, _) = self._recorders[0], call.query.shape
        keys = queries if call.is_causal else call.key.shape[2]
        mask, bias = first.mask_of(call, queries, keys)
        whole = RecordedLayer(
            name=first.name_of(call),
            query=_own(call.query),
            key=_own(call.key[:, :, :keys]),
            scale=call.scale,
            mask=mask,
            bias=bias,
            softcap=call.softcap,
            sinks=None,
            provenance=UNVERIFIED,
        )
        each = len(whole.key) // batch
        apart = [
            replace(
                whole,
                query=whole.query[item * heads : (item + 1) * heads],
                key=whole.key[item * each : (item + 1) * each],
            )
            for item in range(batch)
        ]
        values, outputs = call.value.flatten(0, 1), call.output.transpose(0, 1)
        provenance = verified(whole, call, values, outputs, one=apart[0]).provenance
        return [replace(layer, provenance=provenance) for layer in apart]

    def _is_one_rule(self, call: AttentionCall) -> bool:
        """Whether all texts look by one mask, and nothing else differs from head to head."""
        if call.bias is not None or call.sinks is not None or call.finish is not None:
            return False
        given = call.mask
        if given is None:
            return True
        known = self._alike.get(id(given))
        if known is None:
            # Held, so that no other mask goes by the same number.
            same = given.shape[1] == 1 and bool((given == given[:1]).all())
            known = self._alike[id(given)] = (given, same)
        return known[1]


def _own(tensor: Tensor) -> Tensor:
    """Copy heads of texts, so that they lie side by side and keep nothing else: [text * head, token, d]."""
    copy = tensor.detach().clone(memory_format=torch.contiguous_format)
    return copy.flatten(0, 1)
