"""`rowgate why`: asks a running server what it remembers of a request, and says it readably."""

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from app.cli.options import AsJson, ServerKey, ServerUrl

_LONGEST = 3


def why(
    request_id: Annotated[str, typer.Argument(help="The X-Request-Id of an answer.")],
    url: ServerUrl,
    key: ServerKey,
    *,
    as_json: AsJson = False,
) -> None:
    """Say why a request was refused, by which step and rule, and what the rule saw; and how long it took."""
    found = ask(url, key, request_id)
    typer.echo(json.dumps(found, indent=2) if as_json else told(found))


def ask(url: str, key: str, request_id: str) -> dict[str, Any]:
    """Give what the server at `url` remembers; raises ServerRefused."""
    from app.cli.server_client import RemoteServer

    return RemoteServer(url, key).ask("GET", f"/requests/{quote(request_id, safe='')}").document()


def told(found: dict[str, Any]) -> str:
    """Say it in lines: what was asked, what refused it, and what each rule saw."""
    caller = found["caller"]
    who = "not known" if caller is None else " ".join(filter(None, (caller["kind"], caller["id"], *caller["roles"])))
    lines = [f"{found['method']} {found['path']}  {found['at']}", f"caller: {who}"]
    lines.append(f"answer: {found['status']} {found.get('code', '')}".rstrip())
    if "detail" in found:
        lines.append(f"        {found['detail']}")
    lines += [f"        {'.'.join(map(str, one['loc']))}: {one['message']}" for one in found.get("errors", [])]
    lines += [f"stage:  {found['stage']}"] if "code" in found else []
    lines += _took(found) if found.get("stages") else []
    lines += [f"before: {one['step']} at {one['place']}" for one in found.get("steps_before", [])]
    step = found.get("step")
    if step is not None:
        lines.append(f"step:   {step['step']} at {step['place']}")
        for rule in step["rules"]:
            lines.append(f"        {rule['field']}: {rule['text']}")
            lines += [f"          {path} = {json.dumps(value)}" for path, value in rule["saw"].items()]
    return "\n".join(lines)


def _took(found: dict[str, Any]) -> list[str]:
    """Say how long it took, which stages took most of that, and which step the most."""
    stages, steps = (sorted(found[of], key=_time, reverse=True) for of in ("stages", "steps"))
    longest = ", ".join(f"{one['stage']} {_time(one):.1f}" for one in stages[:_LONGEST])
    lines = [f"took:   {_time(found):.1f} ms: {longest}"]
    return lines + [f"        of it {_time(one):.1f} {one['step']} at {one['place']}" for one in steps[:1]]


def _time(one: dict[str, Any]) -> float:
    return float(one["milliseconds"])
