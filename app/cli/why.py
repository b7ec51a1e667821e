"""`rowgate why`: asks a running server what it remembers of a request, and says it readably."""

import json
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from app.cli.options import DONE, REFUSED, AsJson, ServerKey, ServerUrl, wrong_call

_LONGEST = 3


def why(
    request_id: Annotated[str, typer.Argument(help="The X-Request-Id of an answer.")],
    url: ServerUrl,
    key: ServerKey,
    body: Annotated[str | None, typer.Option(help="With --test: the JSON that was sent; it is not kept.")] = None,
    *,
    test: Annotated[bool, typer.Option("--test", help="Print a policy test that is made of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say why a request was refused, by which step and rule, and what the rule saw; and how long it took."""
    if body is not None and not test:
        wrong_call("--body goes with --test.")
    if test:
        _say_test(test_made(url, key, request_id, body), as_json=as_json)
    found = ask(url, key, request_id)
    typer.echo(json.dumps(found, indent=2) if as_json else told(found))


def ask(url: str, key: str, request_id: str) -> dict[str, Any]:
    """Give what the server at `url` remembers; raises ServerRefused."""
    from app.cli.server_client import RemoteServer

    return RemoteServer(url, key).ask("GET", f"/requests/{quote(request_id, safe='')}").document()


def test_made(url: str, key: str, request_id: str, body: str | None) -> dict[str, Any]:
    """Give the policy test that the server at `url` makes of a request; raises ServerRefused."""
    from app.cli.server_client import RemoteServer

    sent = json.dumps({} if body is None else {"body": _json(body)}).encode()
    path, headers = f"/requests/{quote(request_id, safe='')}/test", {"Content-Type": "application/json"}
    return RemoteServer(url, key).ask("POST", path, body=sent, headers=headers).document()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        wrong_call("--body is no JSON.")


def _say_test(made: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Print it, and end with REFUSED where it doesn't come out as the request did."""
    typer.echo(json.dumps(made, indent=2) if as_json else made["yaml"], nl=as_json)
    result = made["result"]
    if result is not None and result["passed"]:
        raise typer.Exit(DONE)
    came = [f"{one['place']}: {one['message']}" for one in made["findings"]]
    failures = [] if result is None else result["failures"]
    came += [f"{one['place']}: expected {one['expected']}, and came {one['came']}" for one in failures]
    typer.echo("\n".join(["It doesn't come out so yet:", *came]), err=True)
    raise typer.Exit(REFUSED)


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
