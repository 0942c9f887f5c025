"""How a file that holds text is told from one that does not."""

from __future__ import annotations

import codecs

# A file's share of control characters beyond which it is no text.
MOST_CONTROL = 0.01

# Encodings by the mark that a file begins with; UTF-8 where it has none.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
