"""Templates in a sandbox; the only file that knows Jinja2, and loaded by who sends mail or says a template."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.errors import near

_FILTERS = frozenset({
    "capitalize", "default", "d", "e", "escape", "length", "lower", "replace", "title", "trim", "truncate", "upper",
    "urlencode",
})  # fmt: skip
_STATEMENTS = (nodes.Output, nodes.If)
_NOT_SAID = (nodes.Call, nodes.Getattr, nodes.Getitem, nodes.BinExpr, nodes.Concat)


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=autoescape, keep_trailing_newline=True, cache_size=0
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.tests = {name: made.tests[name] for name in ("defined", "undefined", "none")}
    return made


_PLAIN, _HTML = _environment(autoescape=False), _environment(autoescape=True)


@cache
def _compiled(source: str, *, html: bool) -> Any:
    return (_HTML if html else _PLAIN).from_string(source)


def filled_in(source: str, values: Mapping[str, str], *, html: bool) -> str:
    """Give what a template says with these values."""
    return str(_compiled(source, html=html).render(values))


def problems_of(source: str, names: Collection[str], *, html: bool) -> Iterator[tuple[str, str | None]]:
    """Find what is wrong with a template that may name these: sentences, and what to do."""
    try:
        tree = (_HTML if html else _PLAIN).parse(source)
        unknown = sorted(find_undeclared_variables(tree) - set(names))
    except TemplateError as error:
        yield f"the template can't be read: {error}", None
        return
    except RecursionError:
        yield "the template is nested too deep", None
        return
    for name in unknown:
        known = f"there are {', '.join(names)}"
        yield f"the template names {name!r}, which this mail doesn't have", near(name, names) or known
    if any(map(_is_more, tree.find_all(nodes.Node))):
        yield "a mail's template holds texts, values and conditions alone", "write {{ link }}, or {% if redirect_to %}"
    elif not unknown:
        try:
            for value in ("x", ""):  # for either side of a condition
                filled_in(source, dict.fromkeys(names, value), html=html)
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            yield f"the template can't be filled in: {error}", None


def _is_more(node: nodes.Node) -> bool:
    """Say whether it is more than texts, values and conditions: what loops or calls may never come to an end."""
    return isinstance(node, _NOT_SAID) or (isinstance(node, nodes.Stmt) and not isinstance(node, _STATEMENTS))
