"""`rowgate reset-password`: gives somebody another password."""

import asyncio
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from app.errors import RowgateError

if TYPE_CHECKING:
    from app.auth.failures import Kind


class NobodyThere(RowgateError):
    """The command names an address that nobody has."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "command.nobody_there"


def reset_password(
    address: Annotated[str, typer.Argument(help="The address of a user, or with --admin of an admin.")],
    *,
    admin: Annotated[bool, typer.Option("--admin", help="An admin's password.")] = False,
    without_factor: Annotated[
        bool, typer.Option("--without-second-factor", help="Take second factors and recovery codes away, too.")
    ] = False,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="ROWGATE_NEW_PASSWORD")
    ] = "",
) -> None:
    """Give somebody another password, and end every session; it is asked for, or read from ROWGATE_NEW_PASSWORD."""
    from app.cli.database import database
    from app.settings import load_settings

    with database(load_settings()) as url:
        asyncio.run(reset(url, "admin" if admin else "user", address, password, without_factor=without_factor))
    typer.echo(f"{address} has another password, and is signed out everywhere.")
    if without_factor:
        typer.echo("There is no second factor any more.")


async def reset(url: str, kind: "Kind", address: str, password: str, *, without_factor: bool = False) -> None:
    """Set it in the database at `url`."""
    from app.audit.writing import audit
    from app.auth.factors import unenroll_all
    from app.auth.password_change import given, holder_of, set_password
    from app.auth.passwords import Passwords
    from app.database.pool import connected
    from app.store.migrate import migrate

    await migrate(url)
    passwords = Passwords()
    try:
        async with connected(url) as connection, connection.transaction():
            of = await holder_of(connection, kind, address)
            if of is None:
                hint = "An admin's is changed with --admin." if kind == "user" else None
                raise NobodyThere(f"There is no {kind} with the address {address}.", hint=hint)
            await set_password(connection, await given(passwords, of, password))
            named = of.email if kind == "admin" else of.id
            await audit(connection, "command", f"{kind}.password", named)
            if without_factor and await unenroll_all(connection, of.id, kind):
                await audit(connection, "command", f"{kind}.factor_reset", named)
    finally:
        passwords.close()
