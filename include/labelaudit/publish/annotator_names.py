"""How annotators appear to the customer: hashed with a key that stays with us, left out, or plain."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from labelaudit.contracts.model import Contract
from labelaudit.storage import layout
from labelaudit.storage.secret_keys import secret_key
from labelaudit.storage.store import Store


def renamer(contract: Contract, store: Store) -> Callable[[str], str | None]:
    """A function from an annotator's id to what the contract lets the customer see; None: nothing.

    Hashed names are stable for one customer and tell nothing across customers: HMAC-SHA256, its first 16 hex digits,
    under a random key of the customer's, so that guessing ids and hashing them finds nobody.
    """
    if contract.annotators == "plain":
        return str
    if contract.annotators == "omitted":
        return lambda name: None
    secret = secret_key(store, layout.annotator_key(contract.customer))
    return lambda name: hashed(secret, name)


def hashed(secret: bytes, name: str) -> str:
    return hmac.new(secret, name.encode(), hashlib.sha256).hexdigest()[:16]
