"""Quotes, keys of JSON and empty embeds, as PostgREST reads them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "things",
            "columns": [
                {"name": "name", "type": "text"},
                {"name": "tags", "type": "text", "array": True},
                {"name": "data", "type": "json"},
            ],
        },
        {"name": "parts", "columns": [{"name": "thing", "type": "reference", "table": "things"}]},
    ],
    "views": [
        {
            "name": name, "table": table, "access": "public", "allow": ["select", "insert"], "filter": "true",
        }
        for name, table in (("seen", "things"), ("pieces", "parts"))
    ],
}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {
        "name": '5" pipe',
        "tags": ["br{ace}", "a,b"],
        "data": {"foo-bar": "1", "@type": "x", "first name": "y", "a.b": "z"},
    },
    {"name": '6" pipe', "tags": ['q"q'], "data": {"a->b": "2", "c,d": "3", 'q"q': "4", "p)q": "5"}},
    {"name": '"whole"', "tags": [], "data": {}},
    {"name": "a,b", "tags": [], "data": {"0": "zero"}},
]


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        assert (await backend.client.post("/rest/v1/seen", json=ROWS)).status_code == 201
        yield backend


async def test_a_quote_means_something_only_around_a_whole_element(backend: Backend) -> None:
    for query, names in {
        'name=in.(5" pipe,6" pipe)': ['5" pipe', '6" pipe'],
        'name=in.("a,b",5" pipe)': ['5" pipe', "a,b"],
        'name=in.("5\\" pipe")': ['5" pipe'],
        'name=in.("\\"whole\\"")': ['"whole"'],
        'name=in.("5")': [],
        'or=(name.eq.5" pipe,name.eq.6" pipe)': ['5" pipe', '6" pipe'],
        'or=(name.eq."a,b",name.eq.nothing)': ["a,b"],
        'and=(name.in.("a,b",6" pipe),data->>0.eq.zero)': ["a,b"],
        'tags=cs.{"br{ace}"}': ['5" pipe'],
        'or=(tags.cs.{"br{ace}"},tags.cs.{"a,b"})': ['5" pipe'],
        'or=(tags.cs.{"q\\"q"},name.eq.nobody)': ['6" pipe'],
        'name=eq."whole"': ['"whole"'],
    }.items():
        name, _, value = query.partition("=")
        found = await backend.client.get("/rest/v1/seen", params={name: value, "select": "name"})
        assert found.status_code == 200, (query, found.text)
        assert sorted(row["name"] for row in found.json()) == sorted(names), query


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=in.(,b)", ["", "b"]),
        ("name=in.(b,)", ["", "b"]),
        ('name=in.("",b)', ["", "b"]),
        ("name=in.(   )", []),
        ("name=not.in.( )&name=eq.b", ["b"]),
        ("name=in.(x, b)", [" b"]),
        ("name=in.( b,x)", ["b"]),
        ("name=in.(b ,x)", ["b "]),
        ('name=in.("x", "b")', ["b"]),
        ("or=(name.eq.b ,name.eq.x)", ["b "]),
        ("or=( name.eq.b, name.eq. b )", ["b"]),
        ("or=(name.eq.,name.eq.x)", [""]),
        ('or=( name.eq."b" , name.in.( " b" ) )', [" b", "b"]),
        ("and=( not.and ( name.is.null , name.eq.b ) , or ( name.eq.b, name.eq.x) )", ["b"]),
        ("or=( id.eq.{id} , id.in.( {id} , {id}) )", ["b"]),
        ("id=in.( {id} )", ["b"]),
        ("or=( created_at.gt.2020-01-01T00:00:00Z , name.eq.x )&name=eq.b", ["b"]),
        ('"name"=eq.b', ["b"]),
        ('or=("name".eq.b,"data"->>k.eq.v)', ["b"]),
    ],
)
async def test_spaces_and_nothing_are_values_of_texts(backend: Backend, query: str, names: list[str]) -> None:
    rows = [{"name": name} for name in ("", "b", " b", "b ")]
    made = await backend.client.post("/rest/v1/seen?select=id", json=rows, headers={"Prefer": "return=representation"})
    query = query.replace("{id}", made.json()[1]["id"])
    found = await backend.client.get(f'/rest/v1/seen?select="name"&order="name"&{query}')
    assert found.status_code == 200, found.text
    assert sorted(row["name"] for row in found.json()) == sorted(names)


async def test_nothing_is_no_value_of_another_type(backend: Backend) -> None:
    found = await backend.client.get("/rest/v1/seen?id=in.(,)")
    assert (found.status_code, found.json()["code"]) == (400, "22P02")
    for query in ("or=(name.eq.b,)", "or=()", "or=( )", "order=name,", "select=name,"):
        found = await backend.client.get(f"/rest/v1/seen?{query}")
        assert (found.status_code, found.json()["code"]) == (400, "PGRST100"), query


@pytest.mark.parametrize(
    ("path", "label", "value"),
    [
        ("data->>foo-bar", "foo-bar", "1"),
        ("data->>@type", "@type", "x"),
        ("data->>first name", "first name", "y"),
        ('data->>"a.b"', "a.b", "z"),
        ('data->>"a->b"', "a->b", "2"),
        ('data->>"c,d"', "c,d", "3"),
        ('data->>"q\\"q"', 'q"q', "4"),
        ('data->>"p)q"', "p)q", "5"),
    ],
)
async def test_any_key_of_json_can_be_picked_tested_and_ordered_by(
    backend: Backend, path: str, label: str, value: str
) -> None:
    for query in ({path: f"eq.{value}"}, {"or": f"({path}.eq.{value},name.eq.nobody)"}):
        found = await backend.client.get(
            "/rest/v1/seen", params={"select": path, "order": f"{path}.desc.nullslast", **query}
        )
        assert (found.status_code, found.json()) == (200, [{label: value}])
    renamed = await backend.client.get("/rest/v1/seen", params={"select": f'"a name":{path}', path: f"eq.{value}"})
    assert renamed.json() == [{"a name": value}]


@pytest.mark.parametrize(
    "select", ['data->>""', "data->>", "data->", 'x":name', "a\nb:name", f"{'x' * 64}:name", '"":name', 'data->>"open']
)
async def test_a_name_that_is_none_is_refused(backend: Backend, select: str) -> None:
    found = await backend.client.get("/rest/v1/seen", params={"select": select})
    assert found.status_code == 400, found.text


@pytest.mark.parametrize(
    ("select", "row"),
    [
        ("name,pieces()", {"name": "a,b"}),
        ("pieces()", {}),
        ("...pieces()", {}),
        ("name,...pieces()", {"name": "a,b"}),
        ("name,pieces(seen())", {"name": "a,b"}),
    ],
)
async def test_an_empty_embed_shows_nothing(backend: Backend, select: str, row: dict[str, Any]) -> None:
    found = await backend.client.get("/rest/v1/seen", params={"select": select, "name": "eq.a,b"})
    assert (found.status_code, found.json()) == (200, [row])
