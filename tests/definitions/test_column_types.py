"""A column type is one entry of one table: a new one is made here, and everything else takes it from there."""

import ast
import re
from collections import defaultdict
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.changes.apply import apply_project
from app.changes.ddl import written
from app.changes.table_diff import table_changes
from app.compiler.check import check_project
from app.compiler.compile import compile_project
from app.data_plane.described.openapi import openapi_document
from app.data_plane.described.typescript import typescript
from app.definitions.column_types import COLUMN_TYPES, ColumnType
from app.definitions.project import EMPTY, Project, parse_project
from app.definitions.wrong import Wrong
from app.expressions.library.conversions import duration_of_text
from app.expressions.operations import EvaluationError
from app.expressions.types import Scalar, pg_type
from app.isolation.prove import prove
from app.policy_tests.run import run_tests
from app.store.engine import make_engine
from tests.backend import serving

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
TABLE = "definitions/column_types.py"

QUOTED = re.compile(rf"""["'](?:{"|".join(COLUMN_TYPES)})["']""")
# Words that are types of Postgres in SQL, forms of the log, or people as well: counted only where they stand beside
# what has a type.
COMMON = {"text", "bigint", "json", "user"}
RANGES = {"integer_range", "bigint_range", "decimal_range", "date_range", "timestamp_range"}
# Files in which another name of a type is another thing.
ELSEWHERE = {
    "definitions/tables.py": {"uuid"},  # what an id of a table may be
    "expressions/types.py": {"boolean", "date", "decimal", "time", "timestamp", "uuid", *RANGES},  # its types
    "expressions/library/ranges.py": RANGES,  # its functions
    "expressions/library/conversions.py": {"date", "decimal", "time", "timestamp", "uuid"},  # its functions
    "expressions/dynamic_sql.py": {"decimal"},
    "cli/evaluate.py": {"date", "decimal", "timestamp"},  # values of the rule language, typed in
    "data_plane/described/json_schema.py": {"enum"},  # keys and types of JSON Schema
    "data_plane/described/openapi.py": {"integer"},
    "http/fixed_routes.py": {"enum"},
    "steps/document_schema.py": {"enum"},
    "data_plane/described/typescript.py": {"enum", "integer"},
    "definitions/columns.py": {"enum"},
    "definitions/messages.py": {"enum"},  # a key that people try
    "definitions/values.py": {"enum"},  # an error's code
    "database/wire_values.py": {"date", "time", "uuid"},  # types of Postgres
    "policy_tests/report.py": {"time"},  # an attribute of JUnit
    "data_plane/rest/dialect/select.py": {"time"},  # what Postgres casts times to
    "relations/defaults.py": {"integer", "uuid"},
    "relations/fused.py": {"boolean"},
    "relations/write.py": {"boolean"},
    "steps/kinds/respond.py": {"date"},  # a header
}  # fmt: skip


@cache
def files() -> dict[str, ast.Module]:
    """Give what each file of the source says in which the name of a type stands between quotes."""
    texts = {str(one.relative_to(APP)): one.read_text() for one in sorted(APP.rglob("*.py"))}
    return {name: ast.parse(text) for name, text in texts.items() if QUOTED.search(text)}


def names_in(*nodes: ast.AST) -> set[str]:
    inside = (one.value for node in nodes for one in ast.walk(node) if isinstance(one, ast.Constant))
    return {value for value in inside if isinstance(value, str) and value in COLUMN_TYPES}


def names_beside_a_type(tree: ast.AST) -> set[str]:
    """Give the names that `.type` of something is compared with, that are given as `type=`, or by which one is got."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others) if any(
                isinstance(one, ast.Attribute) and one.attr == "type" for one in (left, *others)
            ):
                found |= names_in(left, *others)
            case ast.Match(subject=ast.Attribute(attr="type"), cases=cases):
                found |= names_in(*(one.pattern for one in cases))
            case ast.Call(keywords=keywords):
                found |= names_in(*(one.value for one in keywords if one.arg == "type"))
            case ast.Subscript(value=ast.Name(id="COLUMN_TYPES"), slice=key):
                found |= names_in(key)
    return found


def test_few_files_name_a_type() -> None:
    named = {file: names_in(tree) - COMMON for file, tree in files().items()}
    assert {file: names for file, names in named.items() if names and file != TABLE} == ELSEWHERE


def test_no_file_asks_for_a_type_by_its_name() -> None:
    asked = {file: names_beside_a_type(tree) for file, tree in files().items()}
    assert {file: names for file, names in asked.items() if names} == {}


@pytest.mark.parametrize(
    "code",
    [
        "said.type == 'text'",
        "'json' != column.type",
        "said.type in ('user', 'x')",
        "match said.type:\n    case 'bigint':\n        pass",
        "ParamDef(type='text')",
        "COLUMN_TYPES['json'].read",
    ],
)
def test_what_asks_for_a_type_by_its_name_is_found(code: str) -> None:
    assert len(names_beside_a_type(ast.parse(code))) == 1


def test_types_of_one_rule_type_are_shown_alike_and_are_its_own_in_postgres() -> None:
    shown, kept = defaultdict[str, list[Any]](list), defaultdict[str, set[str]](set)
    for one in COLUMN_TYPES.values():
        shown[one.rule].append(one.schema if one.shown is None else one.shown)
        kept[one.rule].add(one.pg)
    assert [rule for rule, said in shown.items() if any(one != said[0] for one in said)] == []
    # A parameter is cast to the rule type's own type, which has to be that of a column.
    assert [rule for rule, types in kept.items() if rule != "enum" and pg_type(Scalar(rule)) not in types] == []


def test_a_cast_name_is_that_of_one_type_and_casts_are_to_types_that_there_are() -> None:
    names = [name for one in COLUMN_TYPES.values() for name in one.cast_names]
    assert len(set(names)) == len(names)
    assert {pg for one in COLUMN_TYPES.values() for pg in one.casts} <= {one.pg for one in COLUMN_TYPES.values()}


def test_a_type_that_there_isnt_is_refused_with_those_there_are() -> None:
    for said in ("nope", 5, None, ["text"], {"type": "text"}):
        document = {"rowgate": 1, "tables": [{"name": "t", "columns": [{"name": "a", "type": said}]}]}
        project, findings = parse_project(document)
        assert project is None
        assert [one.place for one in findings] == ["tables/t.columns/a.type"]
        assert all(f"'{name}'" in findings[0].message for name in COLUMN_TYPES)


def read_duration(value: Any) -> Any:
    try:
        return duration_of_text(value)
    except (EvaluationError, TypeError):
        raise Wrong("type", "A duration is wanted, such as 1h30m.") from None


DURATION = ColumnType(
    read=read_duration,
    rule="duration",
    pg="interval",
    schema={"type": "string", "format": "duration"},
    cast_names=("interval",),
    one_text=True,
    sample=lambda number: f"{number % 10**9}s",
)
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "jobs", "columns": [
            {"name": "owner", "type": "user", "required": True},
            {"name": "takes", "type": "duration", "required": True},
            {"name": "most", "type": "duration", "default": "90m"},
            {"name": "parts", "type": "duration", "array": True},
        ], "checks": [{"rule": "row.takes > duration('0s')"}]},
    ],
    "views": [
        {"name": "my_jobs", "table": "jobs", "columns": ["id", "takes", "most", "parts"], "access": "authenticated",
         "filter": "row.owner == auth.user.id", "allow": ["select", "insert", "update"],
         "presets": {"owner": "=auth.user.id"}},
    ],
    "endpoints": [
        {"name": "longer", "method": "GET", "path": "/longer", "access": "authenticated",
         "input": {"query": {"least": {"type": "duration", "required": True}}},
         "steps": [
             {"do": "list", "from": "my_jobs", "where": "item.takes >= input.least", "as": "found"},
             {"do": "respond", "body": {"most": "=found[0].takes + input.least"}},
         ]},
    ],
    "tests": [
        {"name": "own_jobs_are_found", "as": "me", "given": {"jobs": [{"owner": "me", "takes": "2h"}]},
         "request": {"path": "/api/longer?least=90m"}, "expect": {"status": 200, "body": {"most": "12600s"}}},
        {"name": "a_job_takes_some_time", "as": "me",
         "request": {"method": "POST", "path": "/rest/v1/my_jobs", "body": {"takes": "0s"}}, "expect": {"status": 422}},
    ],
}  # fmt: skip


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    """Give a project with columns of the new type, which is in the table for the length of a test."""
    monkeypatch.setitem(COLUMN_TYPES, "duration", DURATION)
    found, findings = parse_project(DOCUMENT)
    assert found is not None, findings
    assert check_project(found) == []
    return found


def test_a_new_type_is_planned_and_described(project: Project) -> None:
    sql = "\n".join(written(table_changes(EMPTY, project)))
    assert "takes INTERVAL NOT NULL" in sql
    assert "most INTERVAL DEFAULT '5400000000 microseconds'::interval" in sql
    assert "parts INTERVAL[]" in sql
    runtime, _ = compile_project(project)
    assert runtime is not None
    described = openapi_document(runtime)
    row = described["components"]["schemas"]["view.my_jobs"]["properties"]
    assert row["takes"] == {"type": ["string", "null"], "format": "duration"}
    assert row["parts"] == {"type": ["array", "null"], "items": {"type": "string", "format": "duration"}}
    (least,) = described["paths"]["/api/longer"]["get"]["parameters"]
    assert least["schema"] == {"type": "string", "format": "duration"}
    assert "parts: (string)[] | null" in typescript(runtime)


def test_a_default_and_an_option_of_a_new_type_are_checked(project: Project) -> None:
    def refused(**said: Any) -> str:
        columns = [{"name": "a", "type": "duration", **said}]
        made, findings = parse_project({"rowgate": 1, "tables": [{"name": "t", "columns": columns}]})
        return str((findings if made is None else check_project(made))[0])

    assert project.tables[0].columns[1].described is DURATION
    assert "the default doesn't fit: A duration is wanted" in refused(default="soon")
    assert "min: not an option of the type duration" in refused(min=1)


async def test_a_column_of_a_new_type_is_written_read_filtered_and_changed(project: Project, migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        ann = await backend.sign_up("ann")
        jobs = [{"takes": "2h", "parts": ["30m", "90m"]}, {"takes": "10m", "parts": None}]
        assert (await ann.post("/rest/v1/my_jobs", jobs)).status_code == 201
        refused = await ann.post("/rest/v1/my_jobs", {"takes": "soon"})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "input.type")

        (long,) = (await ann.get("/rest/v1/my_jobs?takes=gt.01:00:00&select=takes,most,parts,text:takes::text")).json()
        assert long == {"takes": "02:00:00", "most": "01:30:00", "parts": ["00:30:00", "01:30:00"], "text": "02:00:00"}
        assert len((await ann.get("/rest/v1/my_jobs?takes=in.(00:10:00,02:00:00)&order=takes")).json()) == 2
        assert (await ann.get("/api/longer?least=90m")).json() == {"most": "12600s"}
        assert (await ann.get("/api/longer?least=soon")).status_code == 422

        (row,) = await backend.sql("SELECT takes, parts FROM data.jobs WHERE takes = '10 minutes'")
        assert (row["takes"], row["parts"]) == (timedelta(minutes=10), None)

        takes = {**DOCUMENT["tables"][0]["columns"][1], "type": "text"}
        columns = [takes, *(one for one in DOCUMENT["tables"][0]["columns"] if one["name"] != "takes")]
        changed, _ = parse_project({"rowgate": 1, "tables": [{"name": "jobs", "columns": columns}]})
        assert changed is not None
        engine = make_engine(migrated_url)
        await apply_project(engine, changed, author="test")
        assert sorted(row["takes"] for row in await backend.sql("SELECT takes FROM data.jobs")) == [
            "00:10:00",
            "02:00:00",
        ]
        await apply_project(engine, project, author="test")
        await engine.dispose()


async def test_policy_tests_and_the_isolation_proof_make_values_of_a_new_type(
    project: Project, migrated_url: str
) -> None:
    report = await run_tests(migrated_url, project)
    assert [str(failure) for result in report.results for failure in result.failures] == []
    proof = await prove(migrated_url, project)
    assert (proof.leaks, proof.unreached, proof.untried, proof.missing) == ([], [], [], {})


def test_every_type_has_a_sample_or_is_made_of_its_options() -> None:
    by_options = {"int", "decimal", "double", "string", "timestamp"}
    for name, one in COLUMN_TYPES.items():
        refers = one.table is not None or "table" in one.options
        made = one.rule in by_options or one.choices or "values" in one.options or refers
        assert (one.sample is not None) != bool(made), name
