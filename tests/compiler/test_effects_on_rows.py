"""What anybody newly reaches by a change was called wider: random pairs of policies, over real rows, by real people."""

import copy
import os
import random
from typing import Any

from app.auth.identity import ANONYMOUS, Identity
from app.compiler.compile import compile_project
from app.compiler.runtime import Runtime
from app.data_plane.made_request import made_request
from app.definitions.project import Project, parse_project
from app.policy_tests.attempt import attempt, user_of
from app.policy_tests.scratch import SCHEMA, Scratch, scratch, tables_sql
from app.review.effects import effects
from tests.views.test_related_rows import TABLES

Document = dict[str, Any]

# How many pairs are tried; a long run by hand takes many more, and another seed.
PAIRS = int(os.environ.get("ROWGATE_RANDOM_PAIRS", "16"))
SEED = os.environ.get("ROWGATE_RANDOM_SEED", "pairs")
WORLDS = 8
TRIED = 3  # of those that were called wider, so that it is seen that there is more to get

_BANNED = "bans.exists(b, b.user_id == auth.user.id)"
# Rules over a project, which is called `{0}`.
ATOMS = (
    "true", "false", "auth.signed_in", "{0}.title == 'x'", "{0}.title != null", "{0}.team_id.name == 'red'",
    "{0}.team_id.owner_user_id == auth.user.id", "sees({0}.team_id)", "sees({0}.team_id)", _BANNED, f"!{_BANNED}",
    "members.exists(m, m.team_id == {0}.team_id && m.user_id == auth.user.id)",
    "members.exists(m, m.team_id == {0}.team_id && m.user_id == auth.user.id && m.role == 'lead')",
    "leads.exists(l, l.team_id == {0}.team_id && l.user_id == auth.user.id)", "!leads.exists(l, true)",
    "tasks.filter(t, t.project_id == {0}.id).all(t, t.done)", "{0}.id in tasks.filter(t, t.done).map(t, t.project_id)",
    "size(tasks.filter(t, t.project_id == {0}.id)) < 2", "tasks.exists_one(t, t.project_id == {0}.id)",
)  # fmt: skip
OF_TEAMS = (
    "true", "auth.signed_in", "members.exists(m, m.team_id == params.team && m.user_id == auth.user.id)",
    "teams.exists(t, t.id == params.team && t.owner_user_id == auth.user.id)", f"!{_BANNED}",
    "!members.exists(m, m.team_id == params.team && m.role == 'lead')",
)  # fmt: skip
OF_MEMBERS = ("true", "row.role == 'lead'", "row.user_id == auth.user.id", "row.team_id.name == 'red'")
OF_BINDS = ("!banned", "banned", "open == 0", "open < 2", "open != 1", "!(open > 1)", "banned || open < 1", "true")
COUNTED = (
    "item.done == false",
    "item.project_id == thing.id",
    "item.project_id == thing.id && !item.done",
    "!item.done",
)
ACCESS: tuple[Any, ...] = ("public", "public", "authenticated", {"roles": ["staff"]})


class Pairs:
    """Draws documents and changes of them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def rule(self, atoms: tuple[str, ...], depth: int = 2) -> str:
        chance = self.chance
        if depth == 0 or chance.random() < 0.4:
            return chance.choice(atoms)
        one, other = self.rule(atoms, depth - 1), self.rule(atoms, depth - 1)
        return chance.choice((
            f"({one}) && ({other})", f"({one}) || ({other})", f"!({one})", f"({one}) ? ({other}) : false",
        ))  # fmt: skip

    def document(self) -> Document:
        chance = self.chance
        allow = chance.choice((["select"], ["select", "update", "delete"]))
        writes: Document = {"writable": ["title"]} if len(allow) > 1 else {}
        shown: Document = {"name": "shown", "table": "projects", "columns": ["id", "title"], "allow": allow, **writes}
        act = [
            {"do": "fetch", "from": chance.choice(("shown", "projects")), "id": "input.id", "as": "thing"},
            {"do": "exists", "from": "bans", "where": "item.user_id == auth.user.id", "as": "banned"},
            {"do": "count", "from": "tasks", "where": self.rule(COUNTED, 1), "as": "open"},
            {"do": "require", "that": self.rule(OF_BINDS, 1)},
            {"do": "require", "that": self.rule(tuple(atom.format("thing") for atom in ATOMS), 1)},
            {"do": "respond", "body": {"title": "=thing.title"}},
        ]  # fmt: skip
        lists = [{"do": "list", "from": "shown", "as": "found"}, {"do": "respond", "body": "=found"}]
        path = {"path": {"id": {"type": "uuid"}}}
        return copy.deepcopy({
            "rowgate": 1,
            "roles": [{"name": "staff"}],
            "tables": TABLES,
            "rules": [{"name": "sees", "params": {"team": {"type": "uuid"}}, "that": self.rule(OF_TEAMS, 1)}],
            "views": [
                {"name": "leads", "table": "members", "columns": "all", "access": "public",
                 "filter": self.rule(OF_MEMBERS, 1)},
                {**shown, "access": chance.choice(ACCESS), "filter": self.rule(tuple(a.format("row") for a in ATOMS))},
            ],
            "endpoints": [
                {"name": "act", "method": "POST", "path": "/act/{id}", "access": chance.choice(ACCESS), "input": path,
                 "steps": act},
                {"name": "lists", "method": "GET", "path": "/lists", "access": chance.choice(ACCESS), "steps": lists},
            ],
        })  # fmt: skip

    def changed(self, before: Document) -> Document:
        """Change one or two things: narrower, wider, or just otherwise."""
        after, other, chance = copy.deepcopy(before), self.document(), self.chance
        said: list[tuple[Document, Document, str]] = [
            (after["rules"][0], other["rules"][0], "that"),
            *((after["views"][at], other["views"][at], "filter") for at in (0, 1, 1)),
            *((after["endpoints"][0]["steps"][at], other["endpoints"][0]["steps"][at], key)
              for at, key in ((2, "where"), (3, "that"), (4, "that"))),
        ]  # fmt: skip
        for one, new, key in chance.sample(said, chance.choice((1, 1, 2))):
            narrower = (f"({one[key]}) && ({new[key]})",) * 6
            one[key] = chance.choice((*narrower, new[key], f"({one[key]}) || ({new[key]})", f"!({one[key]})", "true"))
        if chance.random() < 0.2:
            part = chance.choice((*after["views"][1:], *after["endpoints"]))
            part["access"] = chance.choice(ACCESS)
        if chance.random() < 0.2:
            after["endpoints"][0]["steps"].pop(chance.choice((3, 4)))
        return after


def compiled(document: Document) -> tuple[Project, Runtime] | None:
    """Compile a document for the scratch; None of one that isn't sound."""
    project, _ = parse_project(document)
    runtime = None if project is None else compile_project(project, schema=SCHEMA)[0]
    return None if project is None or runtime is None else (project, runtime)


class People:
    """Rows of a world, and the three who ask: nobody, Ann, and Ben, who is staff."""

    def __init__(self, chance: random.Random, number: int) -> None:
        def key(kind: int, at: int) -> str:
            return f"018f0000-0000-7000-8000-{number:04}{kind:04}{at:04}"

        self.ids = [key(1, at) for at in range(2)]
        teams, self.projects = [key(2, at) for at in range(2)], [key(3, at) for at in range(3)]
        self.rows: list[tuple[str, tuple[Any, ...]]] = [
            *(("users (id, email)", (one, f"{one}@example.com")) for one in self.ids),
            *(("teams (id, name, owner_user_id)", (one, name, chance.choice(self.ids)))
              for one, name in zip(teams, ("red", "blue"), strict=True)),
            *(("members (team_id, user_id, role)", (team, who, chance.choice(("member", "lead"))))
              for team in teams for who in self.ids if chance.random() < 0.5),
            *(("projects (id, team_id, title)", (one, chance.choice(teams), title))
              for one, title in zip(self.projects, ("x", "y", None), strict=True)),
            *(("tasks (project_id, done)", (chance.choice((*self.projects, None)), chance.choice((True, False, None))))
              for _ in range(chance.randint(0, 3))),
            *(("bans (user_id)", (chance.choice((*self.ids, None)),)) for _ in range(chance.randint(0, 1))),
        ]  # fmt: skip

    async def put(self, held: Scratch) -> None:
        """Put the rows where nothing else is."""
        await held.empty()
        for into, values in self.rows:
            given = ", ".join(f"${at + 1}" for at in range(len(values)))
            await held.connection.execute(f"INSERT INTO pg_temp.{into} VALUES ({given})", *values)
        await held.connection.execute("SAVEPOINT rowgate_world")

    async def callers(self, held: Scratch) -> list[Identity]:
        found = await held.connection.fetch("SELECT * FROM pg_temp.users ORDER BY id")
        return [ANONYMOUS, user_of(dict(found[0])), user_of(dict(found[1]), ["staff"])]

    async def reached(self, held: Scratch, runtime: Runtime) -> set[tuple[Any, ...]]:
        """Give all that anybody comes to: rows that are shown, answers that are none of a refusal, rows written."""
        asked: list[tuple[str, str, Any]] = [("GET", "/rest/v1/shown", None), ("GET", "/api/lists", None)]
        asked += [("POST", f"/api/act/{one}", None) for one in self.projects]
        if "update" in runtime.views["shown"].definition.allow:
            # One row at a time: a write of many is refused as a whole where one of them may not be so.
            asked += [("PATCH", f"/rest/v1/shown?id=eq.{one}", {"title": None}) for one in self.projects]
            asked += [("DELETE", f"/rest/v1/shown?id=eq.{one}", None) for one in self.projects]
        found: set[tuple[Any, ...]] = set()
        now = await held.now()
        for who, identity in enumerate(await self.callers(held)):
            for method, path, body in asked:
                plain, _, query = path.partition("?")
                made = await attempt(held, runtime, identity, made_request(method, plain, query, {}, body), now)
                await held.connection.execute("ROLLBACK TO SAVEPOINT rowgate_world")
                if made.answer.status < 400:
                    shown: list[Any] = made.answer.body if isinstance(made.answer.body, list) else []
                    found |= set() if body is not None or method == "DELETE" else {(who, method, path)}
                    found |= {*((who, method, path, str(one)) for one in shown)}
                    found |= {(who, method, path, *one) for one in made.written.items()}
        return found


async def test_what_anybody_newly_reaches_by_a_change_was_called_wider(migrated_url: str) -> None:
    chance = random.Random(SEED)
    pairs, told, grew = Pairs(chance), {True: 0, False: 0}, 0
    worlds = [People(chance, number) for number in range(WORLDS)]
    first = compiled(pairs.document())
    assert first is not None
    async with scratch(migrated_url, tables_sql(first[0])) as held:
        while sum(told.values()) < PAIRS:
            before = pairs.document()
            after = pairs.changed(before)
            one, other = compiled(before), compiled(after)
            if one is None or other is None:
                continue
            is_wider = any(effect.wider for effect in effects(one[0], other[0]))
            told[is_wider] += 1
            if is_wider and told[True] > TRIED:
                continue  # only of what wasn't called wider it is to be seen that nobody gets more
            for world in chance.sample(worlds, 2):
                await world.put(held)
                more = await world.reached(held, other[1]) - await world.reached(held, one[1])
                grew += bool(more)
                assert is_wider or not more, (before, after, more)
    assert told[False] > 0, told
    assert grew > 0, "nobody ever got more: there is nothing to find"
