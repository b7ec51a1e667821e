"""`rowgate why`: asks a running server what it remembers of a request, and says it readably."""

import json
import urllib.error
import urllib.request
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from app.errors import RowgateError

SECONDS = 10


class WhyRefused(RowgateError):
    """The server couldn't be asked, or doesn't remember the request."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "why.refused"


def ask(url: str, key: str, request_id: str) -> dict[str, Any]:
    """Give what the server at `url` remembers; raises WhyRefused."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise WhyRefused("The URL of the server begins with http:// or https://.")
    where = f"{url.rstrip('/')}/admin/v1/requests/{quote(request_id, safe='')}"
    asked = urllib.request.Request(where, headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310 - checked above
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise WhyRefused(_sentence(error)) from None
    except (OSError, ValueError):
        raise WhyRefused("The server can't be asked: there is no answer of Rowgate's at this URL.") from None
    return found


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.code}."


def told(found: dict[str, Any]) -> str:
    """Say it in lines: what was asked, what refused it, and what each rule saw."""
    caller = found["caller"]
    who = "not known" if caller is None else " ".join(filter(None, (caller["kind"], caller["id"], *caller["roles"])))
    lines = [f"{found['method']} {found['path']}  {found['at']}", f"caller: {who}"]
    lines.append(f"answer: {found['status']} {found.get('code', '')}".rstrip())
    if "detail" in found:
        lines.append(f"        {found['detail']}")
    lines += [f"        {'.'.join(map(str, one['loc']))}: {one['message']}" for one in found.get("errors", [])]
    step = found.get("step")
    if step is not None:
        lines.append(f"step:   {step['step']} at {step['place']}")
        for rule in step["rules"]:
            lines.append(f"        {rule['field']}: {rule['text']}")
            lines += [f"          {path} = {json.dumps(value)}" for path, value in rule["saw"].items()]
    return "\n".join(lines)
