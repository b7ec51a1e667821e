"""The proof names what a broken rule lets through, and nothing where the rules are sound."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.changes.files import load_text, read_project
from app.database.embedded import EmbeddedPostgres
from app.definitions.project import Project, parse_project
from app.isolation import prover
from app.isolation.asking import Asking
from app.isolation.callers import ProofAsked
from app.isolation.prove import Proof, prove
from app.isolation.prover import Prover
from tests.databases import cloned
from tests.isolation.cases import CASES, backend, sound_twins
from tests.statements import captured

COUNTING = "SAVEPOINT aside"
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def url(embedded_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Give a database; the proof leaves it as it was."""
    yield from cloned(embedded_server, migrated_template)


def proof_of(url: str, document: Any, asked: ProofAsked | None = None) -> Proof:
    project, findings = parse_project(document)
    assert project is not None, findings
    return proved(url, project, asked)


def proved(url: str, project: Project, asked: ProofAsked | None = None) -> Proof:
    return asyncio.run(prove(url, project, asked))


def told(proof: Proof) -> list[tuple[str, str, list[str]]]:
    found = []
    for leak in proof.leaks:
        action = leak.first.what.action
        found.append((f"{leak.where} {action}" if action else leak.where, leak.first.kind, leak.reached))
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_broken_rule_is_named(url: str, name: str) -> None:
    broken, wanted, _ = CASES[name]
    proof = proof_of(url, backend(broken))
    assert wanted in told(proof)
    assert {place for place, *_ in told(proof)} == {wanted[0]}
    assert (proof.unreached, proof.untried, proof.missing) == ([], [], {})


@pytest.fixture(scope="module")
def twins(url: str) -> Proof:
    """Give the proof of all sound twins in one backend, which knows of each what it would know of it alone and more."""
    return proof_of(url, sound_twins())


@pytest.mark.parametrize("name", CASES)
def test_its_sound_twin_is_not(twins: Proof, name: str) -> None:
    own = {one for one in twins.tried if one.name.endswith(f"__{name}")}
    place = CASES[name][1][0].partition(" ")[0]
    assert f"{place}__{name}" in {f"{one.kind}s/{one.name}" for one in own}
    assert [leak.where for leak in twins.leaks if leak.first.what in own] == []
    assert [one for one in twins.unreached if one.what in own] == []
    assert (twins.untried, twins.missing, twins.cut) == ([], {}, [])


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_the_examples_leak_nothing_and_all_that_people_may_ask_for_is_reached(url: str, example: str) -> None:
    proof = proved(url, read_project(EXAMPLES / example))
    assert told(proof) == []
    assert proof.unreached == []
    assert proof.missing == {}
    assert {why.split(" ")[2] for _, why in proof.untried} <= {"role"}


@pytest.mark.parametrize(
    ("example", "broken", "where"),
    [
        ("documents.yaml",
         [('that: document.owner_user_id == auth.user.id || "support" in auth.user.roles',
           "that: document.owner_user_id != null"),
          ("where: item.owner_user_id == auth.user.id", "where: item.owner_user_id != null")],
         {"endpoints/get_document", "endpoints/change_document", "endpoints/delete_document",
          "endpoints/submit_document", "endpoints/enter_contest", "endpoints/export_documents"}),
        ("clinic.yaml", [("filter: row.patient == auth.user.id", "filter: row.patient != null")],
         {"views/my_bookings select", "views/coming_slots select", "views/doctors_list select"}),
        ("shop.yaml", [("filter: row.customer == auth.user.id", "filter: row.customer != null")],
         {"views/my_orders select", "views/catalogue select", "endpoints/cancel_order"}),
        ("blog.yaml",
         [("that: article.author_id == auth.user.id", "that: article.author_id != null"),
          ("item.follower == auth.user.id && item.followed == person.id", "item.followed == person.id")],
         {"endpoints/change_article", "endpoints/delete_article", "endpoints/unfollow"}),
    ],
)  # fmt: skip
def test_an_example_whose_rules_are_broken_is_named_wherever_they_were_what_kept_rows(
    url: str, tmp_path: Path, example: str, broken: list[tuple[str, str]], where: set[str]
) -> None:
    text = (EXAMPLES / example).read_text()
    for old, new in broken:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / example
    file.write_text(text)
    assert {place for place, *_ in told(proved(url, read_project(file)))} == where


def test_a_leak_says_by_which_request_and_past_which_checks(url: str) -> None:
    broken = CASES["a_check_of_another_row_than_the_one_written"][0]
    (leak,) = proof_of(url, backend(broken)).leaks
    shown = leak.shown()
    assert (shown["caller"], shown["other"]) in {("ana", "ben"), ("ben", "ana")}
    assert shown["request"]["path"] == f"/api/o/{{{shown['caller']}.notes}}"
    assert shown["request"]["body"] == {"target": f"{{{shown['other']}.notes}}"}
    assert [step["place"] for step in shown["let_by"]] == ["endpoints/it.middleware/own_note(own_note).steps/1"]
    assert shown["let_by"][0]["rules"][0]["text"] == "note.owner == auth.user.id"


def test_rows_are_counted_before_and_behind_a_filter_for_a_leak_alone(url: str) -> None:
    broken, _, sound = CASES["a_filter_that_lets_more_by"]
    with captured() as statements:
        assert proof_of(url, backend(sound)).requests > 0
    assert [one for one in statements.order if one == COUNTING] == []
    with captured() as statements:
        (leak,) = proof_of(url, backend(broken)).leaks
    decided = leak.shown()["decided"]
    assert decided["rows_before_filter"] >= decided["rows_after_filter"] > 0
    assert COUNTING in statements.seen


def test_a_caller_of_a_kind_is_said(url: str) -> None:
    (leak,) = proof_of(url, backend(CASES["what_only_payers_reach"][0])).leaks
    assert leak.shown()["columns"] == {"plan": "pro"}
    kept = ProofAsked(columns={"plan": "free"})
    proof = proof_of(url, backend(CASES["what_only_payers_reach"][0]), kept)
    assert told(proof) == []
    assert [(one.what.name, one.why.split(":")[0]) for one in proof.unreached] == [
        ("it", "403 chain.refused at endpoints/it.middleware/pro_only(pro_only).steps/0")
    ] * 2


def test_what_is_said_to_be_everybodys_is_no_leak(url: str) -> None:
    document = backend(CASES["a_view_without_a_filter"][0])
    assert told(proof_of(url, document, ProofAsked(shared=frozenset({"notes"})))) == []
    (leak,) = told(proof_of(url, document, ProofAsked(shared=frozenset({"notes.title"}))))
    assert leak == ("views/seen select", "shows", ["notes.id"])
    changes = backend(CASES["a_change_without_a_check"][0])
    assert told(proof_of(url, changes, ProofAsked(shared=frozenset({"notes.title"})))) == []


def test_what_strangers_are_shown_is_no_leak_and_is_named(url: str) -> None:
    document = backend("views: [{name: seen, table: notes, columns: [id, title], access: public}]")
    proof = proof_of(url, document)
    assert told(proof) == []
    assert proof.public == {("notes", "id"), ("notes", "title")}
    document = backend(
        "views: [{name: seen, table: notes, columns: [id, title], access: public, filter: row.done}]\n"
        "endpoints: [{name: it, method: GET, path: '/n/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [any_note], steps: [{do: respond, body: {title: =note.title}}]}]"
    )
    # Of two notes one is public: the other one, which isn't, is found.
    assert told(proof_of(url, document)) == [("endpoints/it", "shows", ["notes.title"])]


def test_what_a_role_reaches_is_tried_with_the_role(url: str) -> None:
    document = backend(
        "roles: [{name: member}]\n"
        "endpoints: [{name: it, method: GET, path: '/n/{id}', access: {roles: [member]},"
        " input: {path: {id: {type: uuid}}}, middleware: [any_note],"
        " steps: [{do: respond, body: {title: =note.title}}]}]"
    )
    proof = proof_of(url, document)
    assert told(proof) == []
    assert [(what.name, why) for what, why in proof.untried] == [("it", "for the role member")]
    proof = proof_of(url, document, ProofAsked(roles=("member",)))
    assert (told(proof), proof.untried) == ([("endpoints/it", "shows", ["notes.title"])], [])


def test_what_nobody_owns_is_everybodys(url: str) -> None:
    document = backend(
        "endpoints: [{name: it, method: POST, path: '/wares/{id}', access: authenticated,"
        " input: {path: {id: {type: uuid}}}, steps: [{do: update, table: wares, id: input.id,"
        " set: {stock: =item.stock + 1}, as: ware}, {do: respond, body: =ware}]}]"
    )
    proof = proof_of(url, document)
    assert (told(proof), proof.unreached) == ([], [])


def test_what_the_caller_said_may_come_back(url: str) -> None:
    document = backend(
        "endpoints: [{name: it, method: GET, path: '/who/{mail}', access: authenticated,"
        " input: {path: {mail: {type: text}}, query: {again: {type: text}}},"
        " steps: [{do: exists, from: users, where: item.email == input.mail, as: known},"
        " {do: respond, body: {asked: =input.mail, again: =input.again}}]}]"
    )
    assert told(proof_of(url, document)) == []


def test_more_requests_than_there_may_be_are_cut_and_that_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = backend(CASES["a_view_without_a_filter"][2])
    assert proof_of(url, document).cut == []
    monkeypatch.setattr(prover, "MOST_OTHERS", 5)
    (cut,) = proof_of(url, document).cut
    assert (cut.name, cut.action) == ("seen", "select")


def test_a_table_of_which_no_row_can_be_made_is_named(url: str) -> None:
    document = backend("views: [{name: seen, table: odd, columns: [id, name], filter: row.owner == auth.user.id}]")
    document["tables"].append(
        {
            "name": "odd",
            "columns": [{"name": "owner", "type": "user", "required": True}, {"name": "name", "type": "text"}],
            "checks": [{"rule": 'row.name == "the only one"', "message": "Another name."}],
        }
    )
    proof = proof_of(url, document)
    assert list(proof.missing) == ["odd"]
    assert "doesn't fit the rules of its table" in proof.missing["odd"]


def test_a_request_that_loses_its_connection_is_said_and_the_others_go_on(url: str) -> None:
    document = backend(
        "endpoints: [{name: slow, method: GET, path: /slow, access: authenticated, timeout: 0.01,"
        " steps: [{do: for_each,"
        ' each: \'"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t".split(",")\', as: one, steps: [{do: for_each,'
        ' each: \'"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t".split(",")\', as: other,'
        " steps: [{do: count, from: notes, where: item.title == one + other, as: found}]}]}]}]\n"
        "views: [{name: seen, table: notes, columns: [id, title]}]"
    )
    proof = proof_of(url, document)
    assert told(proof) == [("views/seen select", "shows", ["notes.id", "notes.title"])]
    assert {one.what.name for one in proof.unreached} == {"slow"}


@pytest.mark.parametrize("step", ["ask", "ask_without"])
def test_a_target_whose_connection_is_lost_midway_is_named(
    url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Once while others' rows are asked for, or while answers are compared; another connection goes on."""
    ask, others = getattr(Asking, step), Prover._others
    lost: list[str] = []

    async def losing(self: Asking, *asked: Any) -> Any:
        came = await ask(self, *asked)
        if not lost and target:
            lost.append(target[0])
            self.held.broken = True
        return came

    target: list[str] = []

    async def asking(self: Prover, what: Any, own: Any) -> None:
        target[:] = [what.what.name]
        await others(self, what, own)
        target.clear()

    monkeypatch.setattr(Asking, step, losing)
    monkeypatch.setattr(Prover, "_others", asking)
    proof = proof_of(url, backend(CASES["a_view_without_a_filter"][2]))
    assert [one.name for one in proof.cut] == lost != []
    assert told(proof) == []


KEYS = """
rowgate: 1
users: {columns: [{name: username, type: text, unique: true, required: true, default: =random_token(12)}]}
tables:
  - {name: profiles, id: {type: user, on_delete: cascade}, columns: [{name: bio, type: text}]}
  - name: pages
    id: {type: text, max_length: 30}
    columns:
      - {name: writer, type: reference, table: users, column: username, required: true}
      - {name: title, type: text}
  - name: houses
    columns: [{name: owner, type: user}, {name: street, type: text}, {name: number, type: integer}]
    unique: [[street, number]]
  - name: rooms
    columns: [{name: street, type: text}, {name: number, type: integer}, {name: note, type: text}]
    references: [{columns: [street, number], table: houses, to: [street, number]}]
views:
  - name: own_profile
    table: profiles
    filter: row.id == auth.user.id
    allow: [select, insert, update]
  - name: own_pages
    table: pages
    filter: row.writer == auth.user.username
    allow: [select, insert, update, delete]
  - name: own_houses
    table: houses
    filter: row.owner == auth.user.id
    allow: [select, insert]
    writable: [id, owner, street, number]
"""
BROKEN = {
    "own_profile": ("filter: row.id == auth.user.id", "filter: row.id != null"),
    "own_pages": ("filter: row.writer == auth.user.username", "filter: row.writer != null"),
}


def test_rows_are_made_whatever_their_keys_are(url: str) -> None:
    proof = proof_of(url, load_text(KEYS))
    assert (told(proof), proof.missing, proof.untried) == ([], {}, [])


@pytest.mark.parametrize("view", BROKEN)
def test_a_broken_rule_over_another_key_is_named(url: str, view: str) -> None:
    proof = proof_of(url, load_text(KEYS.replace(*BROKEN[view])))
    assert {place.partition(" ")[0] for place, *_ in told(proof)} == {f"views/{view}"}
    assert (f"views/{view} select", "shows") in [(place, kind) for place, kind, _ in told(proof)]
