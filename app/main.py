"""create_app(): opens the database, mounts both planes and auth."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from app.audit.writing import chain_under
from app.auth.auth_server import AuthServerDep
from app.auth.core import Accounts
from app.auth.foreign_keys import ForeignKeys
from app.auth.mailing import Mailing, refuse_without_mail
from app.auth.mails import mailer_by
from app.auth.route_limits import RouteLimits, count_for
from app.auth.start import open_auth
from app.auth.tokens import READER
from app.changes.settler import Settler
from app.console.pages import page_of
from app.data_plane.asgi import FIXED_HEADERS, DataPlane, request_id_of
from app.data_plane.data_server import DataServer
from app.data_plane.described.routes import router as surface_router
from app.data_plane.described.served_document import ServedDocument
from app.data_plane.instances import Instance
from app.data_plane.readiness import readiness
from app.data_plane.reload import Live
from app.data_plane.run import Plane
from app.data_plane.seeing.recent import Recent
from app.data_plane.sign_up_hooks import ServedHooks
from app.database.clock import DatabaseClock
from app.database.embedded import UpFlag
from app.database.pool import Pool
from app.definitions.project import EMPTY, SettingsDef
from app.errors import RowgateError
from app.http.cors import allowed_headers, answer_preflight, is_preflight, with_headers
from app.http.counts import Counts
from app.http.exchange import Whole, lines
from app.http.header_names import header
from app.http.overload import Admission
from app.http.protocol import PROBLEM
from app.limits.limiter import Limiter
from app.origins import Origins
from app.outward.client import Outward
from app.outward.delivery import Delivery
from app.outward.mail_delivery import MailDelivery
from app.outward.smtp import SmtpServer
from app.problems import early_refusal, install_problems
from app.secrets.sealed import check_key
from app.secrets.sealing import SealingKey
from app.settings import Settings
from app.steps.running import Services

if TYPE_CHECKING:
    from app.control_plane.server import Server

_ADMIN_PATH, _SIGN_IN_PATHS = "/admin/", ("/auth/", "/openapi.json")
_DATA_PATHS = ("/api/", "/rest/v1/", "/functions/v1/")


class Rowgate:
    """The ASGI application: data requests go straight to the data plane, all others to FastAPI."""

    def __init__(self, settings: Settings, database_url: str, embedded_up: UpFlag | None = None) -> None:
        """Open nothing yet: the lifespan does. `embedded_up` says whether the embedded server runs, if it is used."""
        self.settings = settings
        self.database_url = database_url
        self.fastapi = FastAPI(
            title="Rowgate", openapi_url=None, docs_url=None, redoc_url=None, lifespan=self._lifespan
        )
        self.embedded_up = embedded_up
        self.on_ready: Callable[[], None] = lambda: None  # called when requests, or more of them, can be served
        self.fastapi.router.routes.extend(surface_router.routes)
        count_for(self.fastapi, settings.trusted_proxies)
        install_problems(self.fastapi)
        self.data_plane: DataPlane | None = None
        self._has_sign_in, self._has_admin_api, self._loading = False, False, asyncio.Lock()
        self._origins_of: SettingsDef | None = None  # whose origins are read in `_allowed`
        self._allowed = Origins.of(settings.cors_origins)
        self.counts = Counts()
        self.admission = Admission(settings.pool_size, self._early_refusal)

    def at_once(self, scope: Any, receive: Any) -> Whole | None:
        """Answer what needs no more than its head; None for all else, which is called."""
        if self.data_plane is None or not scope["path"].startswith(_DATA_PATHS):
            return None
        origin = header(scope, b"origin")
        answer = None if origin is not None and is_preflight(scope) else self.data_plane.at_once(scope, receive)
        if answer is None or origin is None:
            return answer
        status, headers, body = answer
        return status, headers + lines(allowed_headers(origin, self._origins())), body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] != "http":
            await self.fastapi(scope, receive, send)
            return
        origin = header(scope, b"origin")
        more = []
        if origin is not None:
            if is_preflight(scope):
                await answer_preflight(scope, send, self._origins())
                return
            more = allowed_headers(origin, self._origins())
        if self.data_plane is not None and scope["path"].startswith(_DATA_PATHS):
            await self.data_plane(scope, receive, send, more)
            return
        if more:
            send = with_headers(send, more)
        if (page := page_of(scope)) is not None:
            await page(send, head=scope["method"] == "HEAD")
        else:
            await self._fixed(scope, receive, send)

    def _early_refusal(self, scope: Any, error: RowgateError) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Give the headers and the body for a request that isn't begun."""
        self.counts.note(error.status, "")
        request_id = request_id_of(scope)
        body = early_refusal(error, scope["path"], request_id)
        headers = [*FIXED_HEADERS, (b"content-type", PROBLEM), (b"x-request-id", request_id.encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        headers.append((b"content-length", b"%d" % len(body)))
        origin = header(scope, b"origin")
        return headers + ([] if origin is None else allowed_headers(origin, self._origins())), body

    def _origins(self) -> Origins:
        """Give the origins whose pages may call: those of the settings and of the project."""
        project = None
        if self.data_plane is not None and self.data_plane.plane.live.ready:
            project = self.data_plane.plane.live.runtime.project.project
        if project is not self._origins_of:
            more = () if project is None else project.cors_origins
            self._origins_of, self._allowed = project, Origins.of((*self.settings.cors_origins, *more))
        return self._allowed

    async def _fixed(self, scope: Any, receive: Any, send: object) -> None:
        """Answer on a fixed route."""
        if not self._has_sign_in and scope["path"].startswith(_SIGN_IN_PATHS):
            await self._have(_sign_in_routes, self._load_sign_in)
        if not self._has_admin_api and scope["path"].startswith(_ADMIN_PATH):
            await self._have(_admin_routes, self._load_admin_api)
        request_id = request_id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        fixed = [*FIXED_HEADERS, (b"x-request-id", request_id.encode())]
        if scope["path"].startswith("/auth/"):
            send = self._counting(scope, send)
        await self.fastapi(scope, receive, with_headers(send, fixed, but=b"cache-control"))

    def _counting(self, scope: Any, send: Any) -> Any:
        """Give a `send` that counts the answer, by the path of its route, in which the names of what differs stand."""

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", scope["path"])
                self.counts.note(message["status"], f"{scope['method']} {path}")
            await send(message)

        return sending

    @property
    def server(self) -> "Server":
        """Give what this process holds open, between the start and the end of its lifespan; loads the admin API."""
        self._load_admin_api()
        found: Server = self.fastapi.state.server
        return found

    @property
    def data_server(self) -> DataServer:
        """Give what this process holds open without the admin API."""
        found: DataServer = self.fastapi.state.server
        return found

    async def _have(self, routes: Callable[[], object], load: Callable[[], bool]) -> None:
        """Load routes once they are asked for, while others are served: many servers never need them."""
        async with self._loading:
            await asyncio.to_thread(routes)
            if load():
                self.on_ready()

    def _load_sign_in(self) -> bool:
        """Have the routes of sign-in, if they aren't there."""
        if self._has_sign_in:
            return False
        self.fastapi.router.routes.extend(_sign_in_routes())
        self._has_sign_in = True
        return True

    def _load_admin_api(self) -> bool:
        """Have the admin API, if it isn't there."""
        if self._has_admin_api:
            return False
        from app.control_plane.server import server_on  # noqa: PLC0415 - as in `_admin_routes`

        self.fastapi.router.routes.extend(_admin_routes())
        self.fastapi.state.server = server_on(self.data_server, self.database_url)
        self._has_admin_api = True
        return True

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        settings = self.settings
        async with AsyncExitStack() as stack:
            pool = Pool(self.database_url, settings.pool_size)
            stack.push_async_callback(pool.close)
            await pool.open()
            redis = settings.redis_url
            limiter = Limiter.in_memory() if redis is None else Limiter.in_redis(redis.get_secret_value())
            stack.push_async_callback(limiter.close)
            limiter.start()
            sealing_key = SealingKey.of(settings.secret_key.get_secret_value())
            async with pool.lease() as connection:
                await check_key(connection, sealing_key)
            outward = Outward(sealing_key)
            stack.push_async_callback(outward.close)
            clock = DatabaseClock()
            live = Live(pool, self.database_url, clock)
            allowed = lambda: live.runtime.project.project.http_allow  # noqa: E731 - what is in force when it is asked
            hooks = ServedHooks(lambda: live.runtime, outward, clock.now)
            auth = await open_auth(settings, pool, clock, ForeignKeys(outward, allowed), hooks)
            stack.callback(auth.close)
            live.on_change.append(lambda runtime: auth.foreign.follow(runtime.issuers))
            live.on_change.append(lambda runtime: auth.users.follow(runtime.revision, runtime.project.users))
            live.on_look.append(auth.signing.follow)
            settler = Settler(self.database_url)
            live.on_change.append(settler.follow)
            await live.refresh()
            await settler.start()
            stack.push_async_callback(settler.stop)
            live.start()
            stack.push_async_callback(live.stop)
            refuse_without_mail(settings, live.runtime.project.auth if live.ready else EMPTY.auth)
            smtp = None if settings.smtp_url is None else SmtpServer.of(settings.smtp_url.get_secret_value())
            mailing = Mailing.of(settings, sealing_key)
            if mailing.can_send:
                mail = MailDelivery(pool, sealing_key, smtp)
                mail.start()
                stack.push_async_callback(mail.stop)
            delivery = Delivery(pool, outward, allowed)
            delivery.start()
            stack.push_async_callback(delivery.stop)
            accounts = Accounts(
                auth.passwords, auth.tokens, pool, lambda: mailer_by(mailing, settings, live.runtime.project), hooks
            )
            holds_answers = settings.env == "development"
            services = Services(limiter, outward, accounts, holds_answers=holds_answers)
            plane, recent = Plane(live, auth, pool, services), Recent()
            self.data_plane = DataPlane(plane, settings.trusted_proxies, recent, self.counts)
            app.state.server = DataServer(
                settings=settings, mailing=mailing, hooks=hooks, pool=pool, auth=auth, live=live, limiter=limiter,
                embedded_up=self.embedded_up, instance=self._instance(stack, pool, live, limiter),
                document=ServedDocument(settings.public_url).of, data_plane=self.data_plane, sealing_key=sealing_key,
            )  # fmt: skip
            self.on_ready()
            yield

    def _instance(self, stack: AsyncExitStack, pool: Pool, live: Live, limiter: Limiter) -> Instance:
        """Have the database told of this process from here on, until the stack ends."""
        instance = Instance(pool, live, self.counts, lambda: readiness(live, limiter, self.embedded_up))
        live.on_change.append(lambda _: instance.wake())
        instance.start()
        stack.push_async_callback(instance.stop)
        return instance


@cache
def _sign_in_routes() -> tuple[BaseRoute, ...]:
    """Make those of sign-in, once for all applications of a process: to analyse what they declare takes its time."""
    from app.auth.routes.mounted import auth_router  # noqa: PLC0415 - loaded when it is first asked for

    for needed in (READER, "app.data_plane.described.openapi"):
        import_module(needed)
    router = APIRouter()
    router.include_router(auth_router(RouteLimits()), dependencies=[Depends(_anything_served)])
    return tuple(router.routes)


@cache
def _admin_routes() -> tuple[BaseRoute, ...]:
    """Make those of the admin API: it takes a second to load, and with what it needs half the memory of the rest."""
    from app.control_plane.router import admin_router  # noqa: PLC0415 - loaded when it is first asked for

    import_module(READER)
    return tuple(admin_router(RouteLimits()).routes)


async def _anything_served(server: AuthServerDep) -> None:
    """Raise DefinitionsBroken while nothing is served: whoever signs in is described by the definitions, too."""
    _ = server.live.runtime


def create_app(settings: Settings, database_url: str, embedded_up: UpFlag | None = None) -> Rowgate:
    """Make the application for a database that has been migrated."""
    chain_under(settings.secret_key.get_secret_value())
    return Rowgate(settings, database_url, embedded_up)
