"""Whose an Airflow Connection is. A contract may come from anyone, and name any: the Connection itself says who may.

Its extra holds `labelaudit_customers`: names of customers, or "*". Who else it names is told to nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelaudit.errors import ContractError

if TYPE_CHECKING:
    from airflow.sdk import Connection

CUSTOMERS = "labelaudit_customers"


def granted(connection_id: str, customer: str, dataset: str, field: str) -> Connection:
    """The Connection that a contract's `field` names. Raises ContractError unless it says that the customer may."""
    from airflow.sdk import Connection

    connection = Connection.get(connection_id)
    extra = connection.extra_dejson
    named = extra.get(CUSTOMERS) if isinstance(extra, dict) else None
    if isinstance(named, list) and (customer in named or "*" in named):
        return connection
    problem = (
        f"`{field}`: Connection {connection_id!r} does not say that {customer!r} may use it. In Airflow, under Admin →"
        f' Connections, put {{"{CUSTOMERS}": ["{customer}"]}} into its extra, or the name into the list that is there;'
        " or name another in the contract"
    )
    raise ContractError(f"{customer}/{dataset}.yaml", [problem])
