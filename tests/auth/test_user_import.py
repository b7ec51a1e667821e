"""People of another system with their hashes: what is refused of a file first, then who can sign in by what."""

import asyncio
import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import pytest_asyncio
from passlib.hash import argon2, django_pbkdf2_sha256, pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, scrypt

from app.cli import import_users as command
from app.cli.server_client import RemoteServer, Reply
from tests.auth.conftest import DOCUMENT, bearer, sign_in
from tests.backend import PASSWORD, SECRET_KEY, Backend
from tests.turns import Turns

__all__ = ["DOCUMENT"]
# The example of Firebase's own repository, and the password that it is of.
FIREBASE = (
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,"
    "sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
    "$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
)
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def cheap(scheme: Any, **cost: Any) -> str:
    return str(scheme.using(**cost).hash(PASSWORD))


def phc_pbkdf2() -> str:
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"16 bytes of salt", 1000)
    plain = [b64encode(one).rstrip(b"=").decode() for one in (b"16 bytes of salt", digest)]
    return f"$pbkdf2-sha256$i=1000,l=32${plain[0]}${plain[1]}"


HASHES = {
    "bcrypt": BCRYPT,
    "php": BCRYPT.replace("$2b$", "$2y$"),
    "argon2i": cheap(argon2, type="I", memory_cost=64, rounds=1),
    "argon2id": cheap(argon2, memory_cost=64, rounds=1, parallelism=4),
    "scrypt": cheap(scrypt, rounds=4),
    "pbkdf2_sha1": cheap(pbkdf2_sha1, rounds=10),
    "pbkdf2_sha256": cheap(pbkdf2_sha256, rounds=10),
    "pbkdf2_sha512": cheap(pbkdf2_sha512, rounds=10),
    "phc_pbkdf2": phc_pbkdf2(),
    "django": cheap(django_pbkdf2_sha256, rounds=10),
}
REFUSED: list[tuple[Any, str]] = [
    ({}, "input.invalid"),
    ({"email": "no address"}, "auth.email_invalid"),
    ({"email": "taken@example.com"}, "auth.email_taken"),
    ({"email": "a@example.com", "is_admin": True}, "input.invalid"),
    ({"email": "a@example.com", "confirmed": "yes"}, "input.invalid"),
    ({"email": "a@example.com", "roles": ["nothing"]}, "admin.roles_unknown"),
    ({"email": "a@example.com", "columns": {"plan": "gold"}}, "input.enum"),
    ({"email": "a@example.com", "columns": {"nothing": 1}}, "input.unknown_field"),
    ({"email": "a@example.com", "id": "7"}, "input.type"),
    ({"email": "a@example.com", "created_at": "yesterday"}, "input.type"),
    ({"email": "a@example.com", "password_hash": PASSWORD}, "import.hash_unknown"),
    ({"email": "a@example.com", "password_hash": BCRYPT[:-3]}, "import.hash_unknown"),
    ({"email": "a@example.com", "password_hash": BCRYPT.replace("$04$", "$31$")}, "import.hash_unknown"),
    ({"email": "a@example.com", "password_hash": "$argon2id$v=19$m=8388608,t=9,p=1$" + "a" * 22 + "$" + "a" * 43},
     "import.hash_unknown"),
    ({"email": "a@example.com", "password_hash": "$scrypt$ln=25,r=8,p=1$" + "a" * 22 + "$" + "a" * 43},
     "import.hash_unknown"),
    ({"email": "a@example.com", "password_hash": FIREBASE.replace("n=14", "n=24")}, "import.hash_unknown"),
    ({"email": "a@example.com", "password_hash": FIREBASE[:-1]}, "import.hash_unknown"),
    (["a@example.com"], "import.unreadable"),
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def sent(backend: Backend, body: bytes | str, kind: str = "application/x-ndjson") -> Any:
    headers = {**await backend.admin(), "Content-Type": kind}
    return await backend.client.post("/admin/v1/users/import", content=body, headers=headers)


def lines(*rows: Any) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


async def addresses(backend: Backend) -> list[str]:
    return [row[0] for row in await backend.sql("SELECT email FROM data.users ORDER BY email")]


async def test_each_row_that_makes_no_sense_is_told_and_the_others_make_people(backend: Backend) -> None:
    await backend.sign_up("taken")
    answer = await sent(backend, lines({"email": "first@example.com"}, *(row for row, _ in REFUSED)) + "not json\n")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert [(one["row"], one["code"]) for one in report["refusals"]] == [
        *((number, code) for number, (_, code) in enumerate(REFUSED, 2)), (len(REFUSED) + 2, "input.bad_json"),
    ]  # fmt: skip
    assert (report["made"], report["refused"]) == (1, len(REFUSED) + 1)
    assert PASSWORD not in answer.text
    assert await addresses(backend) == ["first@example.com", "taken@example.com"]
    assert (await sign_in(backend, "taken@example.com", PASSWORD)).status_code == 200


async def test_only_an_editor_imports_and_only_what_is_taken(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    row = lines({"email": "b@example.com"})
    for token in (alice.session["access_token"], backend.app.server.auth.publishable_key):
        headers = {**bearer(token), "Content-Type": "text/csv"}
        assert (await backend.client.post("/admin/v1/users/import", content=row, headers=headers)).status_code == 401
    for kind in ("application/json", "application/yaml"):
        assert (await sent(backend, row, kind)).json()["code"] == "input.media_type"
    for body in ("id\n1\n", "email,email\na,b\n", '"email\n', "x" * 70_000):
        assert (await sent(backend, body, "text/csv")).json()["code"] == "import.unreadable"
    assert await addresses(backend) == ["alice@example.com"]


async def test_a_rule_of_the_table_refuses_its_row_alone(backend: Backend) -> None:
    await backend.sql("ALTER TABLE data.users ADD CONSTRAINT no_bob CHECK (email <> 'bob@example.com')")
    try:
        answer = await sent(backend, lines(*({"email": f"{name}@example.com"} for name in ("ann", "bob", "cy", "ann"))))
    finally:
        await backend.sql("ALTER TABLE data.users DROP CONSTRAINT no_bob")
    told = [(one["row"], one["email"], one["code"]) for one in answer.json()["refusals"]]
    assert sorted(told) == [(2, "bob@example.com", "db.check"), (4, "ann@example.com", "auth.email_taken")]
    assert await addresses(backend) == ["ann@example.com", "cy@example.com"]


@pytest.mark.parametrize("kind", HASHES)
async def test_the_password_of_a_hash_signs_in_and_is_hashed_anew_with_it(backend: Backend, kind: str) -> None:
    answer = await sent(backend, lines({"email": f"{kind}@example.com", "password_hash": HASHES[kind]}))
    assert answer.json() == {"made": 1, "refused": 0, "refusals": []}
    address = f"{kind}@example.com"
    assert (await sign_in(backend, address, f"{PASSWORD}!")).status_code == 401
    (stored,) = await backend.sql("SELECT password_hash FROM rowgate.accounts")
    assert not re.match(r"\$argon2id\$v=19\$m=8,t=1,p=1\$", stored[0])
    assert (await sign_in(backend, address, PASSWORD)).status_code == 200
    (stored,) = await backend.sql("SELECT password_hash FROM rowgate.accounts")
    assert re.match(r"\$argon2id\$v=19\$m=8,t=1,p=1\$", stored[0])  # what a password costs in tests
    assert (await sign_in(backend, address, PASSWORD)).status_code == 200
    assert (await sign_in(backend, address, f"{PASSWORD}!")).status_code == 401


async def test_firebases_example_signs_in(backend: Backend) -> None:
    assert (await sent(backend, lines({"email": "fire@example.com", "password_hash": FIREBASE}))).json()["made"] == 1
    assert (await sign_in(backend, "fire@example.com", "user2password")).status_code == 401
    assert (await sign_in(backend, "fire@example.com", "user1password")).status_code == 200
    (stored,) = await backend.sql("SELECT password_hash FROM rowgate.accounts")
    assert stored[0].startswith("$argon2id$")


async def test_what_bcrypt_never_read_of_a_long_password_is_not_hashed_anew(backend: Backend) -> None:
    hashed = bcrypt.hashpw(b"long enough " * 6, bcrypt.gensalt(4)).decode()  # 72 bytes
    await sent(backend, lines({"email": "long@example.com", "password_hash": hashed}))
    assert (await sign_in(backend, "long@example.com", "long enough " * 6 + "and a slip")).status_code == 200
    assert (await sign_in(backend, "long@example.com", "long enough " * 7)).status_code == 200
    (stored,) = await backend.sql("SELECT password_hash FROM rowgate.accounts")
    assert stored[0] == hashed


async def test_all_that_is_known_of_somebody_comes_along(backend: Backend) -> None:
    person = "018f2b6c-9f1e-4cc3-8000-0123456789ab"
    row = {
        "email": "Ann@Example.com", "confirmed": False, "disabled": True, "roles": ["support", "billing"], "id": person,
        "created_at": "2019-05-01T10:00:00Z", "columns": {"display_name": "Ann", "plan": "pro"},
    }  # fmt: skip
    assert (await sent(backend, lines(row, {"email": "bob@example.com"}))).json()["made"] == 2
    shown = (await backend.client.get(f"/admin/v1/users/{person}", headers=await backend.admin())).json()
    assert shown == {
        "id": person, "email": "ann@example.com", "roles": ["billing", "support"], "disabled": True,
        "created_at": "2019-05-01T10:00:00+00:00", "confirmed_at": None, "last_sign_in_at": None, "display_name": "Ann",
        "plan": "pro",
    }  # fmt: skip
    sql = "SELECT actor, detail FROM rowgate.audit WHERE action = 'user.import' ORDER BY id"
    assert [tuple(row) for row in await backend.sql(sql)][-1] == (
        "admin:root@example.com", {"made": 2, "refused": 0},
    )  # fmt: skip


async def test_csv_has_quotes_lines_within_them_and_empty_fields(backend: Backend) -> None:
    body = (
        "\ufeffemail,confirmed,roles,plan,display_name\r\n"
        'a@example.com,true,support billing,pro,"Ann ""A""\nof two"\r\n'
        "b@example.com,f,,,\r\n"
        "c@example.com,maybe,,,\r\n"
        "d@example.com,true,support\r\n"
        "e@example.com,true,,,Eve"
    )
    report = (await sent(backend, body, "text/csv")).json()
    assert [(one["row"], one["code"]) for one in report["refusals"]] == [(3, "input.invalid"), (4, "import.unreadable")]
    rows = await backend.sql("SELECT email, plan, display_name FROM data.users ORDER BY email")
    assert [tuple(row) for row in rows] == [
        ("a@example.com", "pro", 'Ann "A"\nof two'), ("b@example.com", "free", None),
        ("e@example.com", "free", "Eve"),
    ]  # fmt: skip


def folder(tmp_path: Path, name: str, rows: int) -> Path:
    file = tmp_path / name
    people = [{"email": f"p{number}@example.com"} for number in range(rows)]
    file.write_text("email\n" + "".join(f"{one['email']}\n" for one in people) if "csv" in name else lines(*people))
    return file


@pytest.mark.parametrize("name", ["people.jsonl", "people.csv"])
async def test_the_command_reads_a_file_in_pieces_and_tells_rows_by_their_number_in_it(
    backend: Backend, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "CHUNK", 100)
    monkeypatch.setattr(command, "BATCH", 7)
    await backend.sign_up("p17")
    refused = tmp_path / "refused.jsonl"
    with refused.open("w") as told:
        done = command._Done(folder(tmp_path, name, 30), told)
        await command.into(backend.url, SECRET_KEY, done)
    assert (done.made, done.refused, done.read) == (29, 1, done.file.stat().st_size)
    assert [json.loads(line)["row"] for line in refused.read_text().splitlines()] == [18]
    assert done.bar() == f"[{'#' * 30}] 100%  29 made, 1 refused"

    root, asked, loop = await backend.admin(), [], asyncio.get_running_loop()

    def ask(_: RemoteServer, method: str, path: str, *, body: bytes, headers: dict[str, str], quiet: bool) -> Reply:
        asked.append(body)
        call = backend.client.request(method, f"/admin/v1{path}", content=body, headers={**root, **headers})
        return Reply({}, asyncio.run_coroutine_threadsafe(call, loop).result(20).content)

    monkeypatch.setattr(RemoteServer, "ask", ask)
    again = command._Done(done.file, None)
    await asyncio.to_thread(command._through, RemoteServer("http://x", "k"), again)
    assert (again.made, again.refused, len(asked)) == (0, 30, 5)
    assert [one["row"] for one in again.first] == list(range(1, 21))
