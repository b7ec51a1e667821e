"""A proof's report: as JSON, and in lines for a reader."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from app.compiler.test_targets import Served
from app.http.json_answer import to_json
from app.isolation.prove import Proof
from app.policy_tests.report import Case, entry_told, junit_of

Shown = Mapping[str, Any]
_VERBS = {
    "shows": "is shown {other}'s {reached}",
    "changes": "changes {other}'s {reached}",
    "deletes": "deletes {other}'s {reached}",
    "writes in the name of": "writes {reached} in the name of {other}",
    "tells of": "gets an answer that depends on {other}'s {reached}",
}


def shown(proof: Proof) -> dict[str, Any]:
    """Give the members of a report as an answer shows it."""
    return {
        "leaks": [leak.shown() for leak in proof.leaks],
        "tried": [_served(what) for what in proof.tried],
        "requests": proof.requests,
        "unreached": [{**_served(one.what), "caller": one.caller, "why": one.why} for one in proof.unreached],
        "untried": [{**_served(what), "why": why} for what, why in proof.untried],
        "cut": [_served(what) for what in proof.cut],
        "missing": [{"table": table, "why": why} for table, why in proof.missing.items()],
        "public": sorted(f"{table}.{column}" for table, column in proof.public),
        "milliseconds": round(proof.milliseconds, 2),
    }


def _served(what: Served) -> dict[str, object]:
    return {"where": f"{what.kind}s/{what.name}", "action": what.action}


def junit(report: Shown) -> str:
    """Write JUnit's XML: a case for each endpoint and each action of a view that was tried."""
    cases = []
    for one in report["tried"]:
        leaks = [leak for leak in report["leaks"] if (leak["where"], leak["action"]) == (one["where"], one["action"])]
        text = "\n".join(line for leak in leaks for line in leak_told(leak))
        first = text.partition("\n")[0].removeprefix("LEAK").strip()
        cases.append(Case(_place(one), 0.0, "isolation.leak" if leaks else None, first, text))
    return junit_of("rowgate.isolation", report["milliseconds"], cases)


def told(report: Shown) -> str:
    """Say it in lines: each leak with its request and the checks that let it by, and what the proof can't speak of."""
    lines = [line for leak in report["leaks"] for line in leak_told(leak)]
    count = len(report["leaks"])
    lines.append(
        f"{count} leak{'' if count == 1 else 's'} in {report['requests']} requests to {len(report['tried'])} endpoints "
        f"and actions of views, as two people and as strangers, in {report['milliseconds'] / 1000:.2f} s"
    )
    lines += _section("What the two people's own requests did not come through to:", report["unreached"], _unreached)
    lines += _section("Not tried (--role gives both people a role):", report["untried"], _untried)
    lines += _section("Cut off after as many requests as there may be:", report["cut"], _place)
    lines += _section("No rows could be made of:", report["missing"], lambda one: f"{one['table']}: {one['why']}")
    if report["public"]:
        lines.append(f"Shown to strangers, and so no leak: {', '.join(report['public'])}")
    return "\n".join(lines)


def leak_told(leak: Shown) -> list[str]:
    """Say of one leak where it is, what comes to whom by which request, and which checks let that by."""
    who = leak["caller"]
    if leak["columns"]:
        who += f" ({', '.join(f'{name} = {_json(value)}' for name, value in leak['columns'].items())})"
    done = _VERBS[leak["kind"]].format(other=leak["other"], reached=", ".join(leak["reached"]))
    request = leak["request"]
    query = f"?{unquote(request['query'])}" if request["query"] else ""
    lines = [f"LEAK  {_place(leak)}: {who} {done}", f"      {request['method']} {request['path']}{query}"]
    lines += [f"      {name}: {value}" for name, value in request["headers"].items()]
    lines += [] if request["body"] is None else [f"      {_json(request['body'])}"]
    lines.append(f"      answered with {leak['status']}")
    if not leak["let_by"]:
        lines.append("      let by: no check at all")
    for step in leak["let_by"]:
        lines += ["      let by:", *(f"      {line}" for line in entry_told(step))]
    for rule in (leak["decided"] or {}).get("rules", ()):
        if rule["field"] == "filter":
            lines.append(f"      filter: {rule['text']}")
    return lines


def _section(title: str, entries: Any, line: Any) -> list[str]:
    return [title, *(f"  {line(one)}" for one in entries)] if entries else []


def _unreached(one: Shown) -> str:
    return f"{_place(one)} as {one['caller']}: {one['why']}"


def _untried(one: Shown) -> str:
    return f"{_place(one)}: {one['why']}"


def _place(one: Shown) -> str:
    return f"{one['where']} {one['action']}" if one["action"] else str(one["where"])


def _json(value: Any) -> str:
    return to_json(value).decode()
