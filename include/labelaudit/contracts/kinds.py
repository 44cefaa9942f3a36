"""The kinds of label that a contract can name, and what each is; how each is audited says its room in `tasks`."""

KINDS = {"classification": "one class an item"}
NAMES = tuple(KINDS)
SAID = "the kind of label; " + ", ".join(f"{name}: {what}" for name, what in KINDS.items())
