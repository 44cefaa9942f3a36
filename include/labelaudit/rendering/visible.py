"""Characters that show nothing, and change what is shown: as people may see them, in HTML, alerts and a terminal.

A right-to-left override turns `gpj.exe` into `exe.jpg`, an escape sequence clears a terminal, a NUL ends a text for
some programs and not for others. They are shown as what they are (`\\u202e`), everywhere by this one function.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "\r(?!\n)|["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls, but for the tab and the end of a line
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # of the direction of writing
    "\u200b\u2028\u2029\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"  # of no width; other ends of lines
    "\ud800-\udfff"  # half of a pair: no text at all
    "]"
)
"""The joiners U+200C and U+200D are none of them: Persian, Hindi and emoji are written with them."""


def visible(text: str) -> str:
    """The text with its hidden characters written out.

    >>> visible("gpj.\\u202eexe\\x1b[2J"), visible("שלום, dear")
    ('gpj.\\\\u202eexe\\\\u001b[2J', 'שלום, dear')
    """
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
