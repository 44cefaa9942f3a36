"""What a vendor does about a rejected row or delivery, by the code of the reason: one sentence each."""

from __future__ import annotations

_ADVICE = {
    # rows
    "empty": "Fill the column in, or ask for it to be made optional in the contract.",
    "wrong_type": "Write the value as the contract's type says.",
    "wrong_length": "Write as many numbers as the contract says.",
    "bad_encoding": "Export the file in the contract's encoding.",
    "malformed": "Write the row again with a tool's own exporter, not by hand.",
    "wrong_width": "Quote fields that hold the delimiter, and give every row as many fields as the header.",
    "repeated_header": "Take the second header out; join files without their headers.",
    "duplicate_key": "Give every key once.",
    "not_finite": "Write a finite number; leave the value empty where there is none.",
    "wrong_nesting": "Export the record again in the tool's own format.",
    "missing_key": "Export the record again with all its keys.",
    "unlabelled": "Nothing, if it was meant to have no label; else label it and deliver it.",
    "skipped": "Nothing: the annotator skipped the item.",
    "several_labels": "Give one label, or agree on which question the contract asks for.",
    "unknown_reference": "Deliver the record that it refers to in the same file.",
    "formula": "Paste the column as values: formulas are not read.",
    "error_value": "Replace the spreadsheet's error by the value that is meant.",
    "too_long": "Deliver labels, not contents: refer to the item by its id.",
    "unknown_guideline": "Name the guideline's version that the labels were made under, one that the contract takes.",
    # whole files
    "unreadable_file": "Export the file again, and deliver it under a new id.",
    "missing_column": "Rename the column, or have the contract's `columns` changed.",
    "column_type": "Write the column as the contract's type, or have the contract changed.",
    "too_large": "Deliver it in several smaller files.",
    "too_slow": "Deliver it in several smaller files.",
    "parser_crashed": "Export the file again with another tool or version, and deliver it under a new id.",
}
_OTHERWISE = "Correct the value, or agree with the customer on another check."


def advice(code: str) -> str:
    """What to do about a reject of this code; codes that are no reader's are the contract's checks."""
    return _ADVICE.get(code, _OTHERWISE)
