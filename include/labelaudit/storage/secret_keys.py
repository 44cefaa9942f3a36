"""The secrets that Labelaudit makes for itself: random keys of a customer's, which stay in our store."""

from __future__ import annotations

import secrets

from labelaudit.storage.store import Store

KEY_BYTES = 32


def secret_key(store: Store, key: str) -> bytes:
    """The secret at `key`, made when it is first asked for; of several that ask at once, all get the same one.

    In a folder it is for its owner's eyes only; one that an older version left open to others is closed.
    """
    store.keep_private(key.rsplit("/", 1)[0] + "/")
    store.put_if_absent(key, secrets.token_bytes(KEY_BYTES))
    return store.read(key)
