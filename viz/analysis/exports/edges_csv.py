"""The largest weights of a head, as a table."""

from __future__ import annotations

from viz.analysis.export_format import EXPORT_FORMATS, ExportFormat, HeadToExport
from viz.analysis.strongest_edges import strongest_edges

EDGES = 20


def _write(exported: HeadToExport) -> bytes:
    stack = exported.stack
    edges = strongest_edges(
        *(stack, exported.layer, exported.head, EDGES),
        skip_special=exported.skip_special,
        skip_key=exported.skip_key,
    )
    names = {
        "query token": f"query {stack.queries.kind}",
        "key token": f"key {stack.keys.kind}",
    }
    return edges.rename(columns=names).to_csv(index=False).encode("utf-8", "replace")


EDGES_CSV = EXPORT_FORMATS.add(
    ExportFormat(
        name="edges",
        title="Download CSV",
        extension="csv",
        media_type="text/csv",
        meaning=f"the {EDGES} largest weights, with their query and key",
        write=_write,
    )
)
