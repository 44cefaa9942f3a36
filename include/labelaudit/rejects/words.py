"""A rejected row or delivery in the vendor's words, by the code: what is wrong, and what to do about it."""

from __future__ import annotations

SET_ASIDE = ("skipped", "unlabelled")
"""Records that hold no label, and were not meant to: kept among the rejects, but no fault of the delivery."""
DECIDED = ("rejected_by_hand", "not_accepted")
"""Refusals of deliveries that kept the contract's checks: a person, or the human audit, did not accept them."""

KNOWN = {
    # rows
    "empty": (
        "A value is missing",
        "Fill the column in, or ask for it to be made optional in the contract.",
    ),
    "wrong_type": ("A value is of the wrong kind", "Write the value as the contract's type says."),
    "not_exact": (
        "A value that can't be kept exactly",
        "Write it as text, or as a number or time that its type can hold; have the contract's type changed.",
    ),
    "invisible_character": (
        "A character that nobody sees",
        "Take it out where the value is written; `trim` in the contract takes such characters off the ends.",
    ),
    "other_form": (
        "One id, written in two Unicode forms",
        "Write every id in one form (NFC), also those that come from names of files.",
    ),
    "wrong_length": ("A list is too short or too long", "Write as many numbers as the contract says."),
    "bad_encoding": ("Characters can't be read", "Export the file in the contract's encoding."),
    "malformed": ("The row can't be read", "Write the row again with a tool's own exporter, not by hand."),
    "wrong_width": (
        "Too many or too few fields",
        "Quote fields that hold the delimiter, and give every row as many fields as the header.",
    ),
    "repeated_header": ("The header is there again", "Take the second header out; join files without their headers."),
    "duplicate_key": ("The same key or id twice", "Give every key and id once."),
    "not_finite": ("A number is not finite", "Write a finite number; leave the value out where there is none."),
    "wrong_nesting": (
        "The record is not as its format says",
        "Export the record again in the tool's own format.",
    ),
    "missing_key": ("A key is missing", "Export the record again with all its keys."),
    "unlabelled": ("There is no label", "Nothing, if it was meant to have none; else label it and deliver it."),
    "skipped": ("The annotator skipped it", "Nothing: a skipped item has no label."),
    "several_labels": (
        "Several labels where one is expected",
        "Give one label, or agree on which question the contract asks for.",
    ),
    "unknown_reference": (
        "It refers to something that is not there",
        "Deliver the record that it refers to in the same file.",
    ),
    "formula": ("A formula instead of a value", "Paste the column as values: formulas are not read."),
    "error_value": ("A spreadsheet's error", "Replace the error by the value that is meant."),
    "too_long": ("The record is too long", "Deliver labels, not contents: refer to the item by its id."),
    "unknown_guideline": (
        "Another version of the guideline",
        "Name the guideline's version that the labels were made under, one that the contract takes.",
    ),
    # the contract's usual checks
    "expect_column_values_to_be_in_set": (
        "A value that is not allowed",
        "Use the values that the contract lists; have others added to it.",
    ),
    "expect_column_values_to_be_between": (
        "A value out of range",
        "Correct the value, or agree with the customer on another range.",
    ),
    "expect_column_values_to_be_unique": ("The same value twice", "Deliver each only once."),
    "expect_compound_columns_to_be_unique": ("The same row twice", "Deliver each item once for each annotator."),
    # whole files and deliveries
    "unreadable_file": ("A file can't be read", "Export the file again, and deliver it under a new id."),
    "missing_column": ("A column is missing", "Rename the column, or have the contract's `columns` changed."),
    "column_type": (
        "A column is of the wrong type",
        "Write the column as the contract's type, or have the contract changed.",
    ),
    "too_large": ("A file is too large", "Deliver it in several smaller files."),
    "too_slow": ("A file takes too long to read", "Deliver it in several smaller files."),
    "parser_crashed": (
        "A file breaks its parser",
        "Export the file again with another tool or version, and deliver it under a new id.",
    ),
    "too_many_rejects": (
        "Too many rows are wrong",
        "Correct the rows that are listed here, and deliver all rows again under a new id.",
    ),
    "critical_check": (
        "A check that must hold failed",
        "Correct the values that are named, and deliver all rows again under a new id.",
    ),
    "table_check": ("A check of the whole delivery failed", "Correct the delivery, and deliver it under a new id."),
    "empty_delivery": ("There is nothing to take", "Deliver the labels under a new id."),
    "bad_predictions": (
        "The predictions can't be used",
        "Correct the file with the predictions, and deliver all files under a new id.",
    ),
    "bad_manifest": ("manifest.json can't be read", "Have `labelaudit deliver` write it, or see docs/deliveries.md."),
    "missing_file": ("A file is missing", "Upload it; the next run looks at the delivery again."),
    "size_mismatch": ("A file has another size", "Upload it again, whole; the next run looks at it again."),
    "digest_mismatch": ("A file is another one", "Upload the right file, or write manifest.json anew."),
    "count_mismatch": ("A file has another number of records", "Correct file or manifest, under a new id."),
    "unsafe_path": ("No file, or not a file's name", "Deliver the file itself, under a plain name."),
    "moved_away": ("A file went away while it was read", "Put it back: the next run takes the delivery."),
    "not_readable": ("We may not read a file", "Allow us to read it: the next run takes the delivery."),
    "unlisted_file": ("A file that manifest.json does not name", "Name it in manifest.json, or take it away."),
    "rejected_by_hand": (
        "A person rejected it",
        "Label again what the reason names, and deliver it under a new id; if none is given, ask us.",
    ),
    "not_accepted": (
        "The human audit found too many wrong labels",
        "Label it again, and deliver it under a new id.",
    ),
    "superseding_cycle": ("Deliveries that replace each other", "Correct `supersedes` in one manifest.json of them."),
    "supersedes_itself": ("It says that it replaces itself", "Take `supersedes` out of manifest.json."),
    "same_bytes": ("It was delivered before", "Nothing, unless other files were meant: then deliver those."),
    "changed_delivery": ("The id was used before", "Deliver under a new id, or say what it supersedes."),
    "unknown_superseded": ("It replaces what is not there", "Correct `supersedes` in manifest.json."),
    "superseded": ("It was replaced before it was taken", "Nothing: the newer delivery is taken."),
}
"""Every code of a reject or a refusal that is not a check's own name: what is wrong, and what to do."""
_CHECK = ("A check of the contract failed", "Correct the value, or agree with the customer on another check.")


def title(code: str) -> str:
    """What is wrong, for a person who has never seen the code."""
    return KNOWN.get(code, _CHECK)[0]


def advice(code: str) -> str:
    """What to do about it; codes that are no reader's are the contract's checks."""
    return KNOWN.get(code, _CHECK)[1]
