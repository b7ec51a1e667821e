"""A database that comes with its document is as one that was given it, and nobody else's."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from app.database.embedded import EmbeddedPostgres
from app.database.pool import connected
from tests import backend as backends
from tests.backend import serving
from tests.databases import cloned

SAID = """
SELECT (SELECT revision FROM rowgate.live) AS revision,
 (SELECT array_agg(concat(kind, name, body) ORDER BY kind, name) FROM rowgate.definitions) AS definitions,
 (SELECT array_agg(concat(actor, action, target, detail) ORDER BY id) FROM rowgate.audit) AS audit,
 (SELECT array_agg(concat(table_name, column_name, data_type, column_default) ORDER BY table_name, column_name)
  FROM information_schema.columns WHERE table_schema = 'data') AS columns
"""


def document() -> dict[str, Any]:
    """Give one that no other test has served."""
    columns = [{"name": "title", "type": "text", "default": uuid.uuid4().hex}]
    return {"rowgate": 1, "tables": [{"name": "notes", "columns": columns}]}


@pytest.fixture
def urls(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[list[str]]:
    """Four databases that are as new."""
    with ExitStack() as stack:
        yield [stack.enter_context(contextmanager(cloned)(embedded_server, migrated_template)) for _ in range(4)]


@contextmanager
def applied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give the databases that a document is applied to."""
    real, given = backends.apply, list[str]()

    async def noting(url: str, document: Any, **more: Any) -> None:
        given.append(url)
        await real(url, document, **more)

    with monkeypatch.context() as patched:
        patched.setattr(backends, "apply", noting)
        yield given


async def test_a_document_that_comes_often_is_applied_twice_and_each_has_its_own(
    urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, said = document(), []
    with applied(monkeypatch) as given:
        for url in urls:
            async with serving(url, notes) as served:
                assert await served.sql("SELECT 1 FROM data.notes UNION ALL SELECT 1 FROM rowgate.admins") == []
                said.append(await served.sql(SAID))
                await served.admin()
                await served.sql("INSERT INTO data.notes DEFAULT VALUES")
    assert len(given) == 2
    assert said == said[:1] * 4


@pytest.mark.parametrize("is_open", [True, False])
async def test_what_somebody_has_connected_to_is_not_replaced(urls: list[str], is_open: bool) -> None:
    notes = document()
    for url in urls:
        async with connected(url) as connection:
            await connection.execute("CREATE TABLE public.mine (id int)")
            if not is_open:
                await connection.close()
            async with serving(url, notes) as served:
                assert await served.sql("SELECT * FROM public.mine") == []
