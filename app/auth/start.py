"""Opens auth for a process: keys from the one secret, caches, and the first admin or the token that makes one."""

import secrets
from base64 import urlsafe_b64encode

from app.auth.admin_access import has_admin
from app.auth.api_keys import ApiKeys
from app.auth.foreign_keys import ForeignKeys
from app.auth.foreign_tokens import ForeignTokens
from app.auth.identify import PUBLISHABLE_PREFIX, AuthContext
from app.auth.passwords import PasswordRefused, Passwords
from app.auth.sign_up_hooks import NoHooks, SignUpHooks
from app.auth.signing_keys import SigningKeys, derived_key, load_keyring
from app.auth.tokens import ADMIN_AUDIENCE, AccessTokens, Keyring, SigningKey
from app.auth.users import UserCache
from app.database.clock import DatabaseClock
from app.database.connection import Connection
from app.database.pool import Pool
from app.keys.derivation import derived
from app.secrets.sealing import SealingKey
from app.settings import Settings, SettingsInvalid

ISSUER = "rowgate"
_FIRST_START = 0x726F77616474  # one process at a time looks whether there is an admin


async def open_auth(
    settings: Settings,
    pool: Pool,
    clock: DatabaseClock | None = None,
    foreign_keys: ForeignKeys | None = None,
    hooks: SignUpHooks | None = None,
) -> AuthContext:
    """Open auth on a migrated database; `clock` is the database's, as the process measures it.

    Without `foreign_keys` nobody else's tokens are taken, and so nobody is made, of whom `hooks` would be asked.

    The setup token is the same for all instances and at every start; it makes the first admin, and nothing after that.
    """
    secret = settings.secret_key.get_secret_value()
    issuer = settings.public_url or ISSUER
    clock = clock or DatabaseClock()
    first, sealing = derived_key(secret), SealingKey.of(secret)
    admin_keyring = Keyring(SigningKey("a1", derived(secret, "admin tokens")))
    passwords = Passwords()
    try:
        async with pool.lease() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _FIRST_START)
            publishable = await publishable_key(connection, settings)
            tokens = AccessTokens(await load_keyring(connection, first, sealing), issuer, clock=clock.seconds)
            no_admin = await _first_admin(settings, connection, passwords)
    except BaseException:
        passwords.close()
        raise
    return AuthContext(
        clock=clock,
        users=UserCache(pool),
        keys=ApiKeys(pool, derived(secret, "api keys"), clock),
        tokens=tokens,
        signing=SigningKeys(tokens, first, sealing),
        foreign=ForeignTokens(pool, foreign_keys if hooks else None, clock.seconds, hooks or NoHooks()),
        admin_tokens=AccessTokens(admin_keyring, issuer, audience=ADMIN_AUDIENCE, clock=clock.seconds),
        passwords=passwords,
        publishable_key=publishable,
        setup_token=urlsafe_b64encode(derived(secret, "setup token")).rstrip(b"=").decode(),
        sealing=sealing,
        refresh_key=derived(secret, "refresh tokens"),
        no_admin=no_admin,
        admins_need_two=settings.admin_second_factor == "required",
    )


async def publishable_key(connection: Connection, settings: Settings) -> str:
    """Give the key of frontends: the one that is set, else the one of all instances, drawn when first asked for."""
    if settings.publishable_key is not None:
        return settings.publishable_key
    name, drawn = "publishable_key", PUBLISHABLE_PREFIX + secrets.token_urlsafe(24)
    await connection.execute("INSERT INTO rowgate.kept VALUES ($1, $2) ON CONFLICT DO NOTHING", name, drawn)
    return str(await connection.fetchval("SELECT value FROM rowgate.kept WHERE name = $1", name))


async def _first_admin(settings: Settings, connection: Connection, passwords: Passwords) -> bool:
    """Make the admin of the settings where there is none; gives whether there still is none."""
    if await has_admin(connection):
        return False
    if settings.admin_email is None or settings.admin_password is None:
        return True
    from app.auth.admins import create_admin  # noqa: PLC0415 - with what the admin API needs, and only once

    password = settings.admin_password.get_secret_value()
    try:
        await create_admin(connection, passwords, settings.admin_email, password, "owner", actor="settings")
    except PasswordRefused as refusal:
        raise SettingsInvalid(f"ROWGATE_ADMIN_PASSWORD can't be used: {refusal.detail}") from None
    return False
