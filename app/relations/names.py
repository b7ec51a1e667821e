"""The names that every rule may use: who calls, when, and with what."""

from collections.abc import Mapping

from app.definitions.auth import LEVELS
from app.definitions.column_types import Keys
from app.definitions.inputs import ListDef, ObjectDef, ParamDef
from app.expressions.check import Scope
from app.expressions.types import BOOL, DYN, SECRET, STRING, TIMESTAMP, UUID, Enum, ListOf, MapOf, Record, Type, shared
from app.relations.schema import Table, value_type

REQUEST = Record(
    "request",
    {
        "method": STRING,
        "path": STRING,
        "ip": STRING,
        "user_agent": STRING,
        "id": STRING,
        "headers": MapOf(STRING, STRING),
    },
)


RAW_REQUEST = Record("request", {**REQUEST.fields, "body": STRING})
"""A request whose body rules see as it came."""


def base_scope(users: Table) -> Scope:
    """Give the scope that holds everywhere: `auth`, `now`, and `secrets`, which only the parts of a call may read."""
    known = users.record
    user = Record("auth.user", {**known.fields, "roles": ListOf(STRING)}, references=known.references)
    kinds = Enum(("anonymous", "user", "key"))
    said = {"user": user, "signed_in": BOOL, "kind": kinds, "aal": Enum(LEVELS), "amr": ListOf(STRING), "claims": DYN}
    said |= {"is_anonymous": BOOL, "provider": STRING, "session_id": UUID}
    auth = Record("auth", said)
    return Scope({"auth": auth, "now": TIMESTAMP, "secrets": MapOf(STRING, SECRET)})


def declared(name: str, fields: Mapping[str, ParamDef | ObjectDef | ListDef], keys: Keys) -> Record:
    """Give the record that declared inputs or params make."""
    types = {field: declared_type(f"{name}.{field}", said, keys) for field, said in fields.items()}
    optional = frozenset(field for field, said in fields.items() if not always_there(said))
    nullable = frozenset(field for field, said in fields.items() if not said.required)
    return shared(Record(name, types, optional=optional, nullable=nullable))


def always_there(said: ParamDef | ObjectDef | ListDef) -> bool:
    """Say whether a declared input has a value, or a null that was sent, in every request that is taken."""
    return said.required or said.default is not None


def declared_type(name: str, said: ParamDef | ObjectDef | ListDef, keys: Keys) -> Type:
    """Give the type of one declared input."""
    if isinstance(said, ObjectDef):
        return declared(name, said.fields, keys)
    if isinstance(said, ListDef):
        return ListOf(declared_type(name, said.of, keys))
    return value_type(said, keys)
