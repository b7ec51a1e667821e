"""Defaults: each fits its column and holds in the database, or is a finding; four of them the database computes."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.changes.apply import apply_project
from app.changes.files import dump_yaml, load_text
from app.compiler.check import check_project
from app.compiler.compile import compile_project
from app.data_plane.described.openapi import openapi_document
from app.data_plane.described.typescript import typescript
from app.definitions.column_types import COLUMN_TYPES
from app.definitions.project import Project, dump_project, parse_project
from app.definitions.stored import Stored
from app.store.engine import make_engine
from tests.backend import Backend, serving

TYPES = tuple(COLUMN_TYPES)
ID = "018f2b6c-9f1e-7cc3-8000-0123456789ab"
# For each type: options with a default that fits them, as the document says it and as the column holds it.
FITS: dict[str, list[tuple[dict[str, Any], Any, Any]]] = {
    "text": [
        ({}, "", ""), ({}, "it's: $1 %s \\ \n{}", "it's: $1 %s \\ \n{}"), ({"max_length": 3}, "abc", "abc"), ({},
        "08", "08"),
        ({"pattern": "[a-z]+:[0-9]"}, "a:1", "a:1"), ({"format": "email"}, "a@b.ch", "a@b.ch"), ({"format": "slug"},
        "a-b", "a-b"),
        ({}, "\\=now", "=now"), ({}, "now()", "now()"), ({"min_length": 2, "format": "url"}, "https://a.b/:c", "https://a.b/:c"),
    ],
    "integer": [({"min": -7, "max": 7}, -7, -7), ({}, 2**31 - 1, 2**31 - 1), ({}, 0, 0)],
    "bigint": [({}, -(2**63), -(2**63)), ({"max": 7}, 7, 7), ({}, "9007199254740993", 9007199254740993)],
    "decimal": [
        ({"precision": 5, "scale": 2, "min": 0.5}, 0.5, Decimal("0.50")), ({}, "12345678901234567890.12",
        Decimal("12345678901234567890.12")),
        ({}, 7, 7),
    ],
    "float": [({"min": 0.1}, 0.1, 0.1), ({}, 1, 1.0), ({}, -1e300, -1e300)],
    "boolean": [({}, True, True), ({}, False, False)],
    "date": [({}, "2027-01-31", date(2027, 1, 31)), ({}, "0001-01-01", date(1, 1, 1))],
    "time": [({}, "18:00", "18:00:00"), ({}, "00:00:00.50", "00:00:00.5")],
    "uuid": [({}, ID, ID)],
    "timestamp": [({}, "2027-01-31T18:00:00+01:00", datetime(2027, 1, 31, 17, tzinfo=UTC))],
    "integer_range": [({}, "[1,4]", "[1,5)"), ({}, "(1,2)", "empty"), ({}, "[,]", "(,)")],
    "bigint_range": [({}, f"[{-(2**63)},)", f"[{-(2**63)},)")],
    "decimal_range": [({}, "(0.50,1e3]", "(0.50,1000]"), ({}, " empty ", "empty")],
    "date_range": [({}, "(2027-01-01,2027-01-31]", "[2027-01-02,2027-02-01)")],
    "timestamp_range": [
        ({}, '[2027-01-31T18:00:00.50+01:00,"2027-02-01 00:00:00+00"]',
         '["2027-01-31 17:00:00.5+00","2027-02-01 00:00:00+00"]'),
    ],
    "json": [({}, {"a": [1, 1.5, None, True, "it's"]}, {"a": [1, Decimal("1.5"), None, True, "it's"]}), ({}, [], []),
    ({}, "x", "x"), ({}, 0, 0)],
    "enum": [({"values": ["p", "q's"]}, "q's", "q's")],
    "user": [({}, ID, ID)],
    "reference": [({"table": "t"}, ID, ID), ({"table": "numbered"}, 7, 7)],
}  # fmt: skip
MISFITS: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "text": [
        ({}, 7), ({}, True), ({}, ["a"]), ({}, {"a": 1}), ({"max_length": 2}, "abc"), ({"min_length": 2}, "a"),
        ({"pattern": "a"}, "b"),
        ({"format": "email"}, "a"), ({"format": "url"}, "a"), ({"format": "slug"}, "A"), ({}, "a\x00"), ({}, "\ud800"),
    ],
    "integer": [({}, "now()"), ({}, "007"), ({}, "7"), ({}, 7.0), ({}, True), ({}, 2**31), ({"min": 8}, 7),
    ({"max": 6}, 7)],
    "bigint": [({}, 2**63), ({}, 1e3), ({}, "007"), ({}, str(2**63))],
    "decimal": [({"precision": 3, "scale": 1}, 100), ({"precision": 3, "scale": 1}, 0.25), ({}, "NaN"), ({}, "x"),
    ({}, True), ({"max": 1}, 1.5)],
    "float": [({}, "1"), ({}, True), ({"min": 1}, 0.5), ({}, float("nan")), ({}, float("inf")), ({}, 10**400)],
    "boolean": [({}, "yes"), ({}, 1), ({}, "true")],
    "date": [({}, "2027-02-31"), ({}, "today"), ({}, 20270131), ({}, date(2027, 1, 31)), ({}, "2027-01-31T00:00:00Z")],
    "time": [({}, "24:00"), ({}, "8:00"), ({}, "18:00Z"), ({}, 18), ({}, "18:00:60")],
    "uuid": [({}, "x"), ({}, 7), ({}, ID + "a")],
    "timestamp": [({}, "now()"), ({}, "2027-01-31"), ({}, "2027-01-31T18:00:00"), ({}, datetime(2027, 1, 31,
    tzinfo=UTC))],
    "integer_range": [({}, "1-5"), ({}, [1, 5]), ({}, "[5,1)"), ({}, f"[1,{2**31 - 1}]"), ({}, "[1.5,2)"), ({}, "")],
    "bigint_range": [({}, f"(,{2**63}]"), ({}, "[a,b]")],
    "decimal_range": [({}, "[NaN,1]"), ({}, "[1,2,3]"), ({}, "(1;2)")],
    "date_range": [({}, "[2027-02-31,)"), ({}, "(,9999-12-31]"), ({}, "[infinity,]"), ({}, "[today,]")],
    "timestamp_range": [({}, "[2027-01-31,)"), ({}, "[2027-01-31T18:00:00,)"), ({}, "[,infinity)")],
    "json": [({}, {"a": float("nan")}), ({}, {"a": "\x00"}), ({}, {1: 2}), ({}, {"a": {1, 2}})],
    "enum": [({"values": ["p"]}, "q"), ({"values": ["1"]}, 1)],
    "user": [({}, "x"), ({}, 7)],
    "reference": [({"table": "t"}, 7), ({"table": "numbered"}, ID), ({"table": "numbered"}, 2**63)],
}  # fmt: skip
COMPUTED = {"=now": "timestamp", "=today": "date", "=uuid()": "uuid", "=random_token(24)": "text"}
NOT_COMPUTED = [
    "=", "=now()", "=today()", "=uuid", "=random_token", "=random_token()", "=random_token(0)",
    "=random_token(1025)", "=random_token(-1)",
    "=random_token(999999999)", "=random_token(24) ", "=1", "=auth.user.id", "=now + 1", "=gen_random_uuid()",
    "=Now", "=random_token(١)",
]  # fmt: skip
ARRAYS = [name for name in TYPES if name not in ("user", "reference")]  # of these there are no arrays of items
SINGLE = {"min_length", "max_length", "pattern", "format"}


def column(name: str, kind: str, options: dict[str, Any], default: Any, *, array: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, **options, "default": default} | ({"array": True} if array else {})


def document(columns: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    numbered = {"name": "numbered", "id": "bigint", "columns": [{"name": "a", "type": "text"}]}
    return {"rowgate": 1, "tables": [{"name": "t", "columns": columns}, numbered], **more}


def found(said: Any) -> list[str]:
    project, findings = parse_project(said)
    return [one.place for one in (findings if project is None else check_project(project))]


def parsed(said: Any) -> Project:
    project, findings = parse_project(said)
    assert project is not None, findings
    return project


def every_fit() -> list[tuple[dict[str, Any], Any]]:
    """Give a column for each type, option and array, with what its default comes to."""
    columns = []
    for kind in TYPES:
        for index, (options, default, held) in enumerate(FITS[kind]):
            columns.append((column(f"{kind}_{index}", kind, options, default), held))
            if kind in ARRAYS and not SINGLE & options.keys() and default not in ("\\=now", []):
                listed = column(f"{kind}_{index}_list", kind, options, [default, default], array=True)
                columns.append((listed, [held, held]))
    for number, (default, kind) in enumerate(COMPUTED.items()):
        columns.append((column(f"computed_{number}", kind, {}, default), ...))
    columns.append(({"name": "none", "type": "text", "array": True, "default": []}, []))
    return columns


def test_every_type_has_defaults_that_fit_and_some_that_dont() -> None:
    assert set(FITS) == set(MISFITS) == set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_a_default_that_its_column_would_refuse_is_a_finding(kind: str) -> None:
    for options, default in MISFITS[kind]:
        said = column("a", kind, options, default)
        people: dict[str, Any] = {"rowgate": 1, "users": {"columns": [said]}}
        for place, whole in (("tables/t", document([said])), ("users", people)):
            more = {"tables": document([])["tables"][1:], **whole}
            if place == "users" and options.get("table") == "t":
                continue
            places = found(more)
            assert places, (kind, default)
            assert all(one.startswith(f"{place}.columns/a.default") for one in places), places
        if kind in ARRAYS and not SINGLE & options.keys():
            assert found(document([column("a", kind, options, [default], array=True)])), (kind, default)
            if not isinstance(default, list):
                assert found(document([column("a", kind, options, default, array=True)])), (kind, default)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("array", [False, True])
def test_a_computed_default_is_one_of_four_on_its_own_type(kind: str, array: bool) -> None:
    options = FITS[kind][0][0]
    for default in (*COMPUTED, *NOT_COMPUTED):
        places = found(document([column("a", kind, options, default, array=array)]))
        fits = COMPUTED.get(default.strip()) == kind and not array
        assert ("tables/t.columns/a.default" in places) is not fits, (default, places)


@pytest.mark.parametrize(
    ("options", "length", "fits"),
    [
        ({"max_length": 24}, 24, True), ({"max_length": 23}, 24, False), ({"min_length": 25}, 24, False),
        ({"format": "slug"}, 24, False),
        ({"pattern": "[A-Za-z0-9_-]+"}, 24, True), ({"pattern": "[a-z]+"}, 24, False), ({}, 1, True), ({}, 1024, True),
    ],
)  # fmt: skip
def test_a_random_token_always_fits_its_column(options: dict[str, Any], length: int, fits: bool) -> None:
    assert (found(document([column("a", "text", options, f"=random_token({length})")])) == []) is fits


@pytest.mark.parametrize("default", [*COMPUTED, "=", 7])
def test_a_default_of_an_input_or_a_parameter_is_a_literal_that_fits(default: Any) -> None:
    said = {"type": "text", "default": default}
    answers = [{"do": "respond"}]
    endpoint = {"name": "e", "method": "POST", "path": "/e", "access": "public", "steps": answers}
    view = {"name": "v", "table": "numbered", "columns": ["a"]}
    inside = {"type": "object", "fields": {"b": said}}
    assert found({"rowgate": 1, "endpoints": [{**endpoint, "input": {"body": {"a": said}}}]}) == [
        "endpoints/e.input.a.default"
    ]
    assert found({"rowgate": 1, "endpoints": [{**endpoint, "input": {"body": {"a": inside}}}]}) == [
        "endpoints/e.input.a.fields.b.default"
    ]
    assert found({"rowgate": 1, "middleware": [{"name": "m", "params": {"a": said}, "steps": answers}]}) == [
        "middleware/m.params.a.default"
    ]
    assert found(document([], views=[{**view, "params": {"a": said}}])) == ["views/v.params.a.default"]


async def test_every_default_holds_in_the_database_and_says_the_same_when_it_comes_back(migrated_url: str) -> None:
    columns = every_fit()
    project = parsed(document([said for said, _ in columns]))
    assert load_text(dump_yaml(Stored(project))) == dump_project(project)
    async with serving(migrated_url, dump_project(project)) as backend:
        engine = make_engine(migrated_url)
        again = await apply_project(engine, parsed(load_text(dump_yaml(Stored(project)))), author="test")
        assert again.changes == ()
        await engine.dispose()
        keys = [said["name"] for said, _ in columns if said["type"] in ("user", "reference")]
        kept = await backend.sql(
            "SELECT a.attname FROM pg_attrdef d JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum)"
            " WHERE d.adrelid = 'data.t'::regclass"
        )
        assert {name for (name,) in kept} >= {said["name"] for said, _ in columns}
        others = {said["name"]: held for said, held in columns if said["name"] not in keys}
        nulls = ", ".join(f'"{name}"' for name in keys)
        (row,) = await backend.sql(
            f"INSERT INTO data.t ({nulls}) VALUES ({', '.join(['NULL'] * len(keys))}) RETURNING *"
        )
        for name, held in others.items():
            if held is not ...:
                assert (name, row[name]) == (name, held)


NOTES: list[dict[str, Any]] = [
    {"name": "at", "type": "timestamp", "default": "=now", "required": True},
    {"name": "on_day", "type": "date", "default": "=today"},
    {"name": "key", "type": "uuid", "default": "=uuid()"},
    {"name": "token", "type": "text", "default": "=random_token(24)", "required": True, "unique": True},
]
VIEW = {
    "name": "notes", "table": "t", "columns": "all", "access": "public", "filter": "true",
    "allow": ["select", "insert", "update", "delete"],
}  # fmt: skip
MAKE = {
    "name": "make", "method": "POST", "path": "/make", "access": "public",
    "input": {"body": {"token": {"type": "text"}}},
    "steps": [
        {"do": "insert", "table": "t", "set": {"token": "=input.token"}, "as": "one"},
        {"do": "insert", "table": "t", "rows": [{"token": "=input.token"}, {"at": "2027-01-31T00:00:00Z"}],
        "as": "two"},
        {"do": "respond", "body": {"all": "=[one] + two"}},
    ],
}  # fmt: skip


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(NOTES, views=[VIEW], endpoints=[MAKE])) as backend:
        yield backend


async def test_computed_defaults_hold_for_steps_views_and_sql(backend: Backend) -> None:
    rows = (await backend.client.post("/api/make", json={})).json()["all"]
    prefer = {"Prefer": "return=representation"}
    answer = await backend.client.post("/rest/v1/notes", json=[{"key": None}, {"key": ID}], headers=prefer)
    assert answer.status_code == 201, answer.text
    assert [row["key"] for row in answer.json()] == [None, ID]
    rows += answer.json()
    rows += [dict(row) for row in await backend.sql("INSERT INTO data.t DEFAULT VALUES RETURNING *")]
    today = datetime.now(UTC).date()
    for row in rows:
        assert len(row["token"]) == 24
        assert set(row["token"]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        assert abs((date.fromisoformat(str(row["on_day"])) - today).days) <= 1
        assert row["at"] is not None
    assert len({row["token"] for row in rows}) == len(rows) == 6
    made = [uuid.UUID(row["key"]) for row in rows if row["key"] not in (None, ID)]
    assert len(set(made)) == 4
    assert all(one.version == 4 for one in made)
    assert (await backend.client.post("/api/make", json={"token": None})).status_code == 422


async def test_a_random_token_is_as_long_as_said_and_all_of_its_letters_come(backend: Backend) -> None:
    rows = await backend.sql("SELECT n, rowgate.random_token(n) AS token FROM generate_series(1, 1024) n")
    assert all(len(row["token"]) == row["n"] for row in rows)
    letters = "".join(row["token"] for row in rows)
    counts = {letter: letters.count(letter) for letter in set(letters)}
    assert len(counts) == 64
    # Half a million letters: each comes about 8,200 times, give or take 90; this is ten times that.
    assert all(abs(count - len(letters) / 64) < 900 for count in counts.values()), counts


async def test_changing_and_removing_a_default_is_a_change_like_others(migrated_url: str) -> None:
    defaults: list[Any] = [
        "x",
        "=random_token(8)",
        None,
        "y",
        "\\=now",
        0,
        False,
        1,
        True,
        {"a": 1},
        "=random_token(9)",
    ]
    kinds = ["text"] * 5 + ["json"] * 5 + ["text"]
    async with serving(migrated_url, document([{"name": "a", "type": "text"}])) as backend:
        engine = make_engine(migrated_url)
        for kind, default in zip(kinds, defaults, strict=True):
            said = parsed(document([{"name": "a", "type": kind, "default": default}]))
            await backend.sql("DELETE FROM data.t")
            plan = await apply_project(engine, said, author="test", destroy={"t.a"})
            assert any(str(one) in ("change the column t.a", "add the column t.a") for one in plan.changes), default
            assert (await apply_project(engine, said, author="test")).changes == ()
            (row,) = await backend.sql("INSERT INTO data.t DEFAULT VALUES RETURNING a")
            if isinstance(default, str) and default.startswith("=random"):
                assert len(row["a"]) in (8, 9)
            else:
                assert repr(row["a"]) == repr("=now" if default == "\\=now" else default)
        await engine.dispose()


async def test_a_default_that_doesnt_fit_is_422_at_every_route_and_nothing_changes(backend: Backend) -> None:
    admin = await backend.admin()
    before = (await backend.client.get("/admin/v1/config", headers=admin)).json()
    for default in ("now()", "=nonsense", 7, "\x00", {"a": 1}):
        table = {"name": "n", "columns": [{"name": "a", "type": "timestamp", "default": default}]}
        whole = {**before, "tables": [*before["tables"], table]}
        for method, route, body in (
            ("POST", "tables", table), ("PUT", "config", whole), ("POST", "config/plan", whole), ("PUT", "tables/t",
            {**table, "name": "t"}),
        ):  # fmt: skip
            answer = await backend.client.request(
                method, f"/admin/v1/{route}", json=body, headers={**admin, "If-Match": "*"}
            )
            assert answer.status_code in (400, 422), (route, default, answer.text)
        checked = await backend.client.post("/admin/v1/check", json=whole, headers=admin)
        assert checked.status_code in (200, 400, 422)
        assert checked.json().get("valid") is not True
    assert (await backend.client.get("/admin/v1/config", headers=admin)).json() == before


def test_a_column_with_a_default_need_not_be_sent_and_descriptions_say_so() -> None:
    runtime, findings = compile_project(parsed(document(NOTES, views=[VIEW])))
    assert runtime is not None, findings
    row = openapi_document(runtime)["paths"]["/rest/v1/notes"]["patch"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert "=random_token(24)" in row["properties"]["token"]["description"]
    assert "default" not in row["properties"]["token"]
    assert "token?: string" in typescript(runtime)


TAGS: dict[str, Any] = {"type": "list", "of": {"type": "text", "max_length": 5}}
SHIP: dict[str, Any] = {
    "type": "object",
    "fields": {
        "city": {"type": "text", "required": True},
        "price": {"type": "decimal"},
        "days": {"type": "list", "of": {"type": "integer"}, "default": [1, 2]},
    },
}


def taking(**body: Any) -> dict[str, Any]:
    step = {"do": "respond", "body": {name: f"=input.{name}" for name in body}}
    said = {"name": "e", "method": "POST", "path": "/e", "access": "public", "input": {"body": body}, "steps": [step]}
    return {"rowgate": 1, "endpoints": [said]}


def test_a_list_or_an_object_that_isnt_sent_is_its_default() -> None:
    said = taking(
        tags={**TAGS, "default": []}, more={**TAGS, "default": ["=a"], "required": True},
        ship={**SHIP, "default": {"city": "Bern", "price": 1.5}}, none=TAGS,
    )  # fmt: skip
    project = parsed(said)
    assert dump_project(project)["endpoints"][0]["input"] == said["endpoints"][0]["input"]
    runtime, findings = compile_project(project)
    assert runtime is not None, findings
    assert findings == []
    read = runtime.endpoints["e"].inputs.body
    assert read is not None
    ship = {"city": "Bern", "price": Decimal("1.5"), "days": [1, 2]}
    assert read.read({}) == ({"tags": [], "more": ["=a"], "ship": ship}, [])
    assert read.read({"tags": ["x"], "more": [], "ship": None}) == ({"tags": ["x"], "more": [], "ship": None}, [])
    (content,) = openapi_document(runtime)["paths"]["/api/e"]["post"]["requestBody"]["content"].values()
    schema = content["schema"]
    assert {name: one.get("default") for name, one in schema["properties"].items()} == {
        "tags": [], "more": ["=a"], "ship": {"city": "Bern", "price": 1.5}, "none": None,
    }  # fmt: skip
    assert "required" not in schema
    assert "more?: (string" in typescript(runtime)


@pytest.mark.parametrize(
    ("field", "places"),
    [
        ({**TAGS, "default": ["much too long"]}, ["a.default.0"]),
        ({**TAGS, "default": ["a", None, 7]}, ["a.default.1", "a.default.2"]),
        ({**TAGS, "default": ["a"], "min_length": 2}, ["a.default"]),
        ({**TAGS, "default": "a"}, ["body.a.default"]),
        ({**SHIP, "default": {}}, ["a.default.city"]),
        ({**SHIP, "default": {"city": 7, "zip": 3000}}, ["a.default.city", "a.default.zip"]),
        ({**SHIP, "default": []}, ["body.a.default"]),
    ],
)
def test_a_default_of_a_list_or_an_object_that_doesnt_fit_is_a_finding(field: Any, places: list[str]) -> None:
    assert found(taking(a=field)) == [f"endpoints/e.input.{place}" for place in places]
