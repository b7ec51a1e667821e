"""A whole Rowgate in the test's process, on a database of its own, and people who call it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from app.changes.apply import apply_project
from app.changes.files import load_file
from app.database.pool import connect, connected
from app.definitions.project import parse_project
from app.main import Rowgate, create_app
from app.settings import PREFIX, Settings, load_settings
from app.store.engine import make_engine
from tests.contract import hold_to_contract
from tests.databases import define

EXAMPLES = Path(__file__).parents[1] / "examples"
PASSWORD = "correct horse battery"
SECRET_KEY = "9f2c41d07be85a36c1d94ef7028b6a53e8d1"
OTHER_SECRET_KEY = "47c0e9b1d68f23a5704be3d9851af6c29d3e"
ADMIN_PASSWORD = "a much longer horse battery"


@dataclass
class Person:
    """Somebody who signed up."""

    client: httpx.AsyncClient
    id: str
    session: dict[str, Any]

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.session['access_token']}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.call("POST", path, json=body, **more) if body is not None else await self.call("POST", path)


@dataclass
class Backend:
    """The application, a client without credentials, and the database."""

    app: Rowgate
    client: httpx.AsyncClient
    url: str
    people: dict[str, Person] = field(default_factory=dict)
    has_admin: bool = False
    # What `sql` connected in the loop that serves, and isn't using.
    beside: list[Any] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def sign_up(self, name: str, **data: Any) -> Person:
        body = {"email": f"{name}@example.com", "password": PASSWORD, **({"data": data} if data else {})}
        answer = await self.client.post("/auth/v1/signup", json=body)
        assert answer.status_code == 200, answer.text
        session = answer.json()
        return Person(self.client, session["user"]["id"], session)

    async def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a statement by hand, behind the server's back."""
        if asyncio.get_running_loop() is not self.loop:
            async with connected(self.url) as connection:
                return list(await connection.fetch(statement, *parameters))
        while self.beside and self.beside[-1].is_closed():
            self.beside.pop()
        connection = self.beside.pop() if self.beside else await connect(self.url)
        try:
            return list(await connection.fetch(statement, *parameters))
        finally:
            self.beside.append(connection)

    async def apply(self, document: Any, **more: Any) -> None:
        """Change the definitions as another instance would, without telling this one."""
        await apply(self.url, document, **more)

    async def admin(self) -> dict[str, str]:
        """Make the first admin, unless it is there, and give the header of a token of its."""
        body = {"email": "root@example.com", "password": ADMIN_PASSWORD}
        if not self.has_admin:
            token = self.app.server.auth.setup_token
            await self.client.post("/admin/v1/setup", json={"token": token, **body})
        answer = await self.client.post("/admin/v1/sign-in", json=body)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def apply(url: str, document: Any, **more: Any) -> None:
    project, findings = parse_project(document)
    assert project is not None, findings
    engine = make_engine(url)
    await apply_project(engine, project, author="test", **{"allow_wider": True, **more})
    await engine.dispose()


@cache
def example(name: str) -> Any:
    """Read an example, which nobody changes, once."""
    return load_file(EXAMPLES / name)


# How many seconds a request of a test waits for a connection: a busy machine refuses none of many at once.
PATIENCE = 60.0


@asynccontextmanager
async def serving(url: str, document: Any, **settings: Any) -> AsyncIterator[Backend]:
    """Serve a document, given as data or as the name of an example."""
    if isinstance(document, str):
        document = example(document)
    if not await asyncio.to_thread(define, url, document, partial(apply, document=document)):
        await apply(url, document)
    given = {"url": url, "secret_key": SECRET_KEY, "env": "development", "confirm_email": False, **settings}
    app = create_app(_settings(**given), url)
    async with app.fastapi.router.lifespan_context(app.fastapi), calling(app) as client:
        app.server.pool._patience = PATIENCE
        backend = Backend(app, client, url)
        try:
            yield backend
        finally:
            await asyncio.gather(*(one.close() for one in backend.beside), return_exceptions=True)


def _settings(*, url: str, **given: Any) -> Settings:
    """Read settings once for all databases, which takes longer than anything else that a start does in Python."""
    said = tuple((name, value) for name, value in os.environ.items() if name.upper().startswith(PREFIX))
    try:
        known = _read(Path.cwd(), said, tuple(given.items()))
    except TypeError:  # one of them is a list
        return load_settings(database_url=url, **given)
    return known.model_copy(update={"database_url": SecretStr(url)})


@cache
def _read(_where: Path, _said: Any, given: Any) -> Settings:
    return load_settings(database_url="postgresql://database", **dict(given))


def calling(app: Rowgate, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """Give a client of the application, from an address of its own, whose answers are held to what is declared."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 5000))
    hooks = {"response": [hold_to_contract]}
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", event_hooks=hooks)
