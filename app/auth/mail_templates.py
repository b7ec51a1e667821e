"""What mails say: templates, checked when they are saved and rendered in a sandbox; the only file that knows Jinja2."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.definitions.auth_mail import TemplateDef, TemplatesDef
from app.errors import near

INVITED, FORGOTTEN, PASSWORD_CHANGED, FACTOR_CHANGED = ADMINS_MAILS = (
    "admin_invite", "admin_recovery", "admin_password_changed", "admin_factor_changed"
)  # fmt: skip
"""What goes to admins, in Rowgate's words alone: a template of an editor's would see an owner's links."""
_ALWAYS = ("email", "project", "site_url")
_LINKED = (*_ALWAYS, "link", "code", "token_hash", "redirect_to")
# What each kind may name.
NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("confirmation", "recovery", "magic_link", "code", "invite"), _LINKED),
    "email_change": (*_LINKED, "new_email"),
    "reauthentication": (*_ALWAYS, "code"),
    "password_changed": _ALWAYS,
    "email_changed": (*_ALWAYS, "new_email"),
    "factor_changed": (*_ALWAYS, "change"),
    **dict.fromkeys(("identity_linked", "identity_unlinked"), (*_ALWAYS, "provider")),
}
_FILTERS = frozenset({
    "capitalize", "default", "d", "e", "escape", "length", "lower", "replace", "title", "trim", "truncate", "upper",
    "urlencode",
})  # fmt: skip
_STATEMENTS = (nodes.Output, nodes.If)
_NOT_SAID = (nodes.Call, nodes.Getattr, nodes.Getitem, nodes.BinExpr, nodes.Concat)
_LINK_AND_CODE = "{{ link }}\n\nOr type this code where you were asked for it: {{ code }}\n"
_NOT_YOU = "\nIf it wasn't you, nothing has to be done.\n"
_TELL = "\nIf it wasn't you, change your password, and tell who runs {{ project }}.\n"
# The subject, and the text, of Rowgate's own.
_OWN: Mapping[str, tuple[str, str]] = {
    "confirmation": ("Confirm your address", "Confirm {{ email }} for {{ project }}:\n\n" + _LINK_AND_CODE + _NOT_YOU),
    "recovery": (
        "Choose another password",
        "Sign in to {{ project }}, and choose another password:\n\n" + _LINK_AND_CODE + _NOT_YOU,
    ),
    "magic_link": ("Sign in", "Sign in to {{ project }}:\n\n" + _LINK_AND_CODE + _NOT_YOU),
    "code": (
        "{{ code }} is your code",
        "Your code for {{ project }}: {{ code }}\n\nOr open this: {{ link }}\n" + _NOT_YOU,
    ),
    "email_change": (
        "Confirm the change of your address",
        "{{ email }} is to become {{ new_email }} at {{ project }}. Confirm it, by both addresses:\n\n"
        + _LINK_AND_CODE + _NOT_YOU,
    ),
    "invite": ("You are invited", "You are invited to {{ project }}:\n\n" + _LINK_AND_CODE),
    "reauthentication": (
        "{{ code }} is your code", "Type this code to show that it's you: {{ code }}\n" + _TELL,
    ),
    "password_changed": (
        "Your password was changed", "Your password at {{ project }} is another one now.\n" + _TELL,
    ),
    "email_changed": (
        "Your address was changed", "Your address at {{ project }} is {{ new_email }} now.\n" + _TELL,
    ),
    "factor_changed": ("Your second factor was changed", "At {{ project }}: {{ change }}.\n" + _TELL),
    "identity_linked": (
        "Another way to sign in", "You can sign in to {{ project }} by {{ provider }} now.\n" + _TELL,
    ),
    INVITED: (
        "You are invited to configure {{ project }}",
        "{{ inviter }} invites you to configure {{ project }}, as {{ role }}. Choose a password within seven days:\n\n"
        "{{ link }}\n" + _NOT_YOU,
    ),
    FORGOTTEN: (
        "Choose another password",
        "Choose another password for the console of {{ project }}, within an hour:\n\n{{ link }}\n" + _NOT_YOU,
    ),
    PASSWORD_CHANGED: (
        "Your password was changed",
        "Your password for the console of {{ project }} is another one now, and other sessions have ended.\n" + _TELL,
    ),
    FACTOR_CHANGED: (
        "Your second factor was changed", "For the console of {{ project }}: {{ change }}.\n" + _TELL,
    ),
    "identity_unlinked": (
        "A way to sign in was taken away",
        "Nobody signs in to {{ project }} by {{ provider }} as you any more.\n" + _TELL,
    ),
}  # fmt: skip


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=autoescape, keep_trailing_newline=True, cache_size=0
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.tests = {name: made.tests[name] for name in ("defined", "undefined", "none")}
    return made


_PLAIN, _HTML = _environment(autoescape=False), _environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a mail says."""

    subject: str
    text: str
    html: str | None


def rendered(kind: str, said: TemplateDef, values: Mapping[str, str]) -> Rendered:
    """Render a mail; `values` has every name of its kind."""
    own_subject, own_text = _OWN[kind]
    subject = _rendered(said.subject or own_subject, values, html=False)
    text = _rendered(own_text if said.text is None else said.text, values, html=False)
    html = None if said.html is None else _rendered(said.html, values, html=True)
    return Rendered(" ".join(subject.split()), text, html)


@cache
def _compiled(source: str, *, html: bool) -> Any:
    return (_HTML if html else _PLAIN).from_string(source)


def _rendered(source: str, values: Mapping[str, str], *, html: bool) -> str:
    return str(_compiled(source, html=html).render(values))


def template_problems(templates: TemplatesDef) -> Iterator[tuple[str, str, str | None]]:
    """Find what is wrong with templates: each with its place below `templates`, a sentence, and what to do."""
    for kind in TemplatesDef.model_fields:
        said: TemplateDef = getattr(templates, kind)
        for field in ("subject", "text", "html"):
            source = getattr(said, field)
            if source is not None:
                for message, hint in _problems(kind, source, html=field == "html"):
                    yield f"{kind}.{field}", message, hint


def _problems(kind: str, source: str, *, html: bool) -> Iterator[tuple[str, str | None]]:
    try:
        tree = (_HTML if html else _PLAIN).parse(source)
        unknown = sorted(find_undeclared_variables(tree) - set(NAMES[kind]))
    except TemplateError as error:
        yield f"the template can't be read: {error}", None
        return
    except RecursionError:
        yield "the template is nested too deep", None
        return
    for name in unknown:
        known = f"there are {', '.join(NAMES[kind])}"
        yield f"the template names {name!r}, which this mail doesn't have", near(name, NAMES[kind]) or known
    if any(map(_is_more, tree.find_all(nodes.Node))):
        yield "a mail's template holds texts, values and conditions alone", "write {{ link }}, or {% if redirect_to %}"
    elif not unknown:
        try:
            for value in ("x", ""):  # for either side of a condition
                _rendered(source, dict.fromkeys(NAMES[kind], value), html=html)
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            yield f"the template can't be filled in: {error}", None


def _is_more(node: nodes.Node) -> bool:
    """Say whether it is more than texts, values and conditions: what loops or calls may never come to an end."""
    return isinstance(node, _NOT_SAID) or (isinstance(node, nodes.Stmt) and not isinstance(node, _STATEMENTS))
