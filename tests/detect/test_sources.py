"""One table of prediction sources: what makes predictions has its module, and a missing one is our error."""

from __future__ import annotations

import pkgutil
from types import SimpleNamespace
from typing import get_args

import pytest

from labelaudit.contracts.model import Contract
from labelaudit.contracts.predictions import SOURCES
from labelaudit.detect import sources
from labelaudit.errors import InternalError

NAMES = {get_args(source.model_fields["source"].annotation)[0]: source for source in SOURCES}
MADE = [name for name, source in NAMES.items() if source.types]


def contract_of(name: str) -> SimpleNamespace:
    return SimpleNamespace(predictions=SimpleNamespace(source=name))


def test_the_table_is_whole():
    """A contract takes exactly what it has, and no module lies beside it."""
    assert get_args(Contract.model_fields["predictions"].annotation) == SOURCES
    assert {module.name for module in pkgutil.iter_modules(sources.__path__)} == set(MADE)
    assert set(NAMES) - set(MADE) == {"delivered", "none"}


@pytest.mark.parametrize("name", MADE)
def test_every_source_answers_what_detection_asks(name):
    module = sources.source_of(contract_of(name))
    assert all(callable(getattr(module, ask)) for ask in ("present", "values", "matrix", "models", "evidence"))
    assert module.SLICED_BY in ("", "words", "columns")


def test_a_source_without_its_module_is_our_error():
    with pytest.raises(InternalError, match="predictions from 'audio' have no module"):
        sources.source_of(contract_of("audio"))
