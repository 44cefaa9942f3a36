"""Texts that are one to every reader and two to a computer: é is one character, or e and a combining accent (NFC, NFD).

File systems and input methods write either, so one picture comes as two items. Which was meant is not guessed.
"""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc


def twins(texts: pa.ChunkedArray) -> dict[str, str]:
    """Texts that are another of them in another Unicode form: text, and the one that stays.

    The composed form (NFC) stays; where nobody wrote that, the first in the order of their characters.
    """
    distinct = pc.unique(texts.filter(pc.invert(pc.string_is_ascii(texts)))).to_pylist()
    forms: dict[str, list[str]] = {}
    for text in distinct:
        if not unicodedata.is_normalized("NFC", text):
            forms.setdefault(unicodedata.normalize("NFC", text), []).append(text)
    if not forms:
        return {}
    composed = forms.keys() & set(distinct)
    stays = {form: form if form in composed else min(written) for form, written in forms.items()}
    return {text: stays[form] for form, written in forms.items() for text in written if text != stays[form]}


def difference(text: str, other: str) -> str:
    """How a text's characters differ from its twin's: the first that do, by their numbers."""
    place = next((i for i, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), 0)
    return f"it has {_numbers(text[place : place + 2])}, where the other has {_numbers(other[place : place + 2])}"


def _numbers(text: str) -> str:
    return " ".join(f"U+{ord(letter):04X}" for letter in text) or "nothing"
