"""Random backends over the same two tables, and random rows, people and requests for them."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

THINGS = tuple(f"018f0000-0000-7000-8000-00000000000{n}" for n in range(3))
ABSENT = "018f0000-0000-7000-8000-0000000000ff"
IDS = (*THINGS, ABSENT, "not-an-id")
LABELS = ("a", "ab", "b", None)
NUMBERS = (None, 0, 1, 4, 9)
WRITES = ("insert", "update", "delete")
TEAMS = (None, "a", "b")

# What is limited counts by a key of its run, so that no run meets the counts of another.
_runs = count()

TABLES = [
    {"name": "things", "unique": [["owner", "label"]], "columns": [
        {"name": "owner", "type": "user"},
        {"name": "n", "type": "integer", "min": 0, "max": 9},
        {"name": "label", "type": "text", "max_length": 4},
    ]},
    {"name": "notes", "columns": [
        {"name": "thing", "type": "reference", "table": "things"},
        {"name": "text", "type": "text", "required": True},
    ]},
]  # fmt: skip
BARE: Document = {
    "rowgate": 1,
    "roles": [{"name": "staff"}, {"name": "guest"}],
    "users": {"columns": [{"name": "team", "type": "text"}, {"name": "level", "type": "integer"}]},
    "tables": TABLES,
}


@dataclass(frozen=True)
class Row:
    """A thing: whose it is (the place of a person, or nobody's), and what it holds."""

    owner: int | None
    n: int | None
    label: str | None
    notes: int


@dataclass(frozen=True)
class Someone:
    """What one of the people is at the beginning of an example."""

    team: str | None
    level: int | None
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A request: by whom (None is a stranger), whether simulated as somebody made up who is like them, and what."""

    caller: int | None
    made_up: bool
    method: str
    path: str
    query: str = ""
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


def rules(row: str | None = None, *, inputs: bool = False) -> st.SearchStrategy[str]:
    """Give rules about the caller and, where there are such, a row and the input."""
    atoms = [
        "true", "true", "false", "auth.signed_in", '"staff" in auth.user.roles', 'auth.user.team == "b"',
        "auth.user.level > 1", "auth.user.team != null", 'auth.kind == "user"', "6 / auth.user.level > 2",
    ]  # fmt: skip
    if row is not None:
        atoms += [
            f"{row}.owner == auth.user.id", f"{row}.owner != auth.user.id", f"{row}.n > 3", f"{row}.n == null",
            f"{row}.label == auth.user.team", f'{row}.label in ["a", "b"]', f'{row}.label.startsWith("a")',
            f"8 / {row}.n > 3", f"{row}.n < auth.user.level",
        ]  # fmt: skip
    if inputs:
        atoms += ["input.n > 2", "has(input.label)", "input.label != null", 'request.headers["x-team"] == "a"']
    some = st.recursive(
        st.sampled_from(atoms),
        lambda inner: st.one_of(
            st.builds("({} && {})".format, inner, inner),
            st.builds("({} || {})".format, inner, inner),
            st.builds("!({})".format, inner),
            st.builds("({} ? {} : {})".format, inner, inner, inner),
        ),
        max_leaves=4,
    )
    # Half of them hold, so that requests come far.
    return st.one_of(st.just("true"), some)


accesses: st.SearchStrategy[Any] = st.sampled_from(
    ("public", "public", "authenticated", {"roles": ["staff"]}, {"roles": ["staff", "guest"]})
)


def require(row: str | None, *, inputs: bool) -> st.SearchStrategy[Document]:
    """Give a step that refuses by a rule."""
    refusal = st.sampled_from(({}, {"status": 404}, *[{"status": 402, "code": "plan.needed", "message": "Pay."}] * 2))
    return st.builds(lambda that, more: {"do": "require", "that": that, **more}, rules(row, inputs=inputs), refusal)


def validate(row: str | None) -> st.SearchStrategy[Document]:
    """Give a step that refuses by two rules about the input."""
    one = st.builds(
        lambda rule, field: {"rule": rule, "field": field, "message": f"Look at {field}."},
        rules(row, inputs=True),
        st.sampled_from(("n", "label")),
    )
    return st.builds(lambda both: {"do": "validate", "rules": both}, st.lists(one, min_size=1, max_size=2))


def limits() -> st.SearchStrategy[Document]:
    """Give a step that lets few requests through."""
    return st.builds(
        lambda amount, cost, counted: {
            "do": "rate_limit", "limit": f"{amount}/day", "cost": min(cost, amount), "count": counted,
            "by": f'"run-{next(_runs)}"',
        },
        st.integers(1, 4),
        st.integers(1, 3),
        st.sampled_from(("all", "failures")),
    )  # fmt: skip


def gates() -> st.SearchStrategy[list[Document]]:
    """Give a chain about the caller alone."""
    return st.lists(st.one_of(require(None, inputs=False), limits()), min_size=1, max_size=2)


def chains() -> st.SearchStrategy[list[Document]]:
    """Give a chain that fetches the thing that is asked for, and holds rules against it."""
    fetch = st.builds(
        lambda source, optional: {"do": "fetch", "from": source, "id": "input.id", "as": "thing", "optional": optional},
        st.sampled_from(("things", "seen")),
        st.sampled_from((False, False, True)),
    )
    held = st.lists(st.one_of(require("thing", inputs=True), validate("thing"), limits()), max_size=2)
    return st.builds(lambda first, more: [first, *more], fetch, held)


def writes() -> st.SearchStrategy[Document]:
    """Give a step that writes."""
    changes = st.sampled_from(({"n": "=input.n"}, {"n": "=thing.n + 1"}, {"label": "=input.label", "n": 2}))
    made = {"owner": "=auth.user.id", "n": "=input.n", "label": "=input.label"}
    return st.one_of(
        st.builds(lambda set_: {"do": "update", "table": "things", "id": "thing.id", "set": set_}, changes),
        st.builds(
            lambda where: {"do": "update", "table": "things", "where": where, "set": {"n": 5}, "expect": "any"},
            rules("item"),
        ),
        st.just({"do": "delete", "table": "notes", "where": "item.text == 'x'"}),
        st.just({"do": "delete", "table": "things", "id": "thing.id"}),
        st.just({"do": "insert", "table": "things", "set": made}),
        st.just({"do": "insert", "table": "notes", "set": {"thing": "=thing.id", "text": "=input.label"}}),
    )  # fmt: skip


def steps() -> st.SearchStrategy[list[Document]]:
    """Give an endpoint's steps; what they read besides the thing is bound under a name of its place."""
    write = writes()
    reading = st.one_of(
        rules("item").map(lambda where: {"do": "list", "from": "seen", "where": where, "order": ["id"]}),
        rules("item").map(lambda where: {"do": "count", "from": "things", "where": where}),
        rules("item").map(lambda where: {"do": "exists", "from": "seen", "where": where}),
    )
    bounded = st.builds(
        lambda most, where: {"do": "quota", "max": most, "from": "things", "where": where},
        st.integers(1, 3),
        st.sampled_from(("item.owner == auth.user.id", "item.label == input.label")),
    )
    branch = st.builds(
        lambda when, then: {
            "do": "if", "when": when, "then": [then], "else": [{"do": "fail", "status": 409, "message": "Not now."}],
        },
        rules("thing", inputs=True),
        write,
    )  # fmt: skip
    loop = st.builds(lambda step: {"do": "for_each", "each": "[1, 2]", "as": "turn", "steps": [step]}, write)
    respond = st.sampled_from((
        {"do": "respond", "body": {"n": "=thing.n", "label": "=thing.label"}},
        {"do": "respond", "status": 202, "body": "=thing.n"},
        {"do": "respond", "status": 410, "body": {"gone": True}},
    ))  # fmt: skip
    middle = st.lists(
        st.one_of(write, write, reading, bounded, branch, loop, require("thing", inputs=True)), max_size=4
    )
    return st.builds(_bound, middle, st.one_of(st.none(), respond))


def _bound(middle: list[Document], last: Document | None) -> list[Document]:
    named = [
        {**step, "as": f"found{at}"} if step["do"] in {"list", "count", "exists"} else step
        for at, step in enumerate(middle)
    ]
    return [*named, last] if last is not None else named or [{"do": "respond"}]


@st.composite
def policies(draw: st.DrawFn) -> Document:
    """Draw a backend: two views, a chain about the caller, one about the thing, and an endpoint that uses both."""
    doors = draw(st.sampled_from(([], [], [{"use": "gate"}])))
    presets: Document = {"owner": "=auth.user.id"} if draw(st.booleans()) else {}
    writable = draw(st.sampled_from((["n"], ["n", "label"], ["n", "label", "owner"])))
    allowed = draw(st.sampled_from((WRITES, WRITES, ("update",), ("insert", "delete"), ())))
    written = {"presets": presets, "writable": [name for name in writable if name not in presets]} if allowed else {}
    chain, run = draw(chains()), draw(steps())
    columns = ["id", "owner", "n", "label", {"name": "notes", "count": "notes", "where": "item.thing == row.id"}]
    return BARE | {
        "views": [
            {
                "name": "seen", "table": "things", "columns": columns, "filter": draw(rules("row")),
                "access": draw(accesses), "middleware": doors, "order": ["id"],
                "allow": ["select", *allowed], **written,
            },
            {
                "name": "talk", "table": "notes", "columns": ["text", "thing"], "access": draw(accesses),
                "filter": draw(st.sampled_from(('row.text != "y"', '"staff" in auth.user.roles || row.text == "x"'))),
            },
        ],
        "middleware": [{"name": "gate", "steps": draw(gates())}, {"name": "may", "steps": chain}],
        "endpoints": [{
            "name": "change", "method": "POST", "path": "/things/{id}", "access": draw(accesses),
            "input": {
                "path": {"id": {"type": "uuid"}},
                "body": {"n": {"type": "integer", "min": -5}, "label": {"type": "text", "max_length": 9}},
            },
            "middleware": [*doors, {"use": "may"}],
            "steps": run,
        }],
    }  # fmt: skip


rows = st.lists(
    st.builds(
        Row,
        owner=st.sampled_from((0, 1, None)),
        n=st.sampled_from(NUMBERS),
        label=st.sampled_from(LABELS),
        notes=st.integers(0, 2),
    ),
    min_size=1,
    max_size=len(THINGS),
    # Of one owner, no label twice.
    unique_by=lambda row: (row.owner, row.label) if None not in (row.owner, row.label) else object(),
)

people = st.lists(
    st.builds(
        Someone,
        team=st.sampled_from(TEAMS),
        level=st.sampled_from((None, 0, 1, 5)),
        roles=st.sets(st.sampled_from(("staff", "guest"))).map(lambda names: tuple(sorted(names))),
    ),
    min_size=2,
    max_size=2,
)

PREFERENCES = ("return=representation", "return=representation, count=exact", "return=minimal", "max-affected=1")
READS = (
    "", "select=n,label", "select=n,talk(text)", "n=gt.2&order=n.desc,id", "label=is.null", "order=id&limit=1&offset=1",
    "select=n,count()", "secret=eq.1", "n=eq.many", f"id=eq.{THINGS[0]}", f"id=eq.{ABSENT}", "notes=gt.0",
)  # fmt: skip
FILTERS = (*(f"id=eq.{id_}" for id_ in (*THINGS, ABSENT)), "n=gte.1", "label=eq.a", "select=n,label&id=not.is.null")
NEW = (
    {"n": 1, "label": "new"}, {"n": 1, "label": "new"}, {"n": 3}, {"n": 0, "label": "ab"}, {"n": 10},
    {"n": None, "label": "a"}, {"label": "far too long"}, {"n": "x"},
    {"unknown": 1}, [{"n": 2, "label": "p"}, {"n": 3, "label": "q"}], [{"n": 2, "label": "p"}, {"n": 99, "label": "q"}],
)  # fmt: skip


def requests() -> st.SearchStrategy[Asked]:
    """Give requests that reach each stage."""
    who = {"caller": st.sampled_from((0, 1, 0, 1, None)), "made_up": st.booleans()}
    teams = st.sampled_from(((), (("x-team", "a"),)))
    preferred = st.sampled_from(PREFERENCES).map(lambda text: (("prefer", text),))
    seen, written = st.just("/rest/v1/seen"), st.sampled_from(NEW)
    accepted = st.sampled_from(((), (("accept", "application/vnd.pgrst.object+json"),), (("prefer", "count=exact"),)))
    changed = written.filter(lambda body: isinstance(body, dict))
    sent = st.sampled_from((None, {}, {"n": 3}, {"label": "b"}, {"n": 4, "label": "ab"}, {"n": -9}, {"else": 1}, [1]))
    called = st.sampled_from(IDS).map("/api/things/{}".format)
    return st.one_of(
        st.builds(Asked, **who, method=st.just("GET"), path=seen, query=st.sampled_from(READS), headers=accepted),
        *[st.builds(
            Asked, **who, method=st.just("POST"), path=seen, query=st.sampled_from(("select=n,label", "columns=n")),
            body=written, headers=preferred,
        )] * 2,
        st.builds(
            Asked, **who, method=st.just("PATCH"), path=seen, query=st.sampled_from(FILTERS), body=changed,
            headers=preferred,
        ),
        st.builds(
            Asked, **who, method=st.just("DELETE"), path=seen, query=st.sampled_from(FILTERS), headers=preferred
        ),
        *[st.builds(Asked, **who, method=st.just("POST"), path=called, body=sent, headers=teams)] * 3,
        st.builds(Asked, **who, method=st.sampled_from(("GET", "PUT")), path=st.sampled_from(
            (f"/api/things/{ABSENT}", "/api/nowhere", "/rest/v1/nothing", "/rest/v1/talk", "/functions/v1/change")
        )),
    )  # fmt: skip
