"""What mails say: templates, checked when they are saved, and rendered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.definitions.auth_mail import TemplateDef, TemplatesDef

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


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a mail says."""

    subject: str
    text: str
    html: str | None


def rendered(kind: str, said: TemplateDef, values: Mapping[str, str]) -> Rendered:
    """Render a mail; `values` has every name of its kind."""
    from app.auth.templates_read import filled_in  # noqa: PLC0415 - Jinja2 takes 2 MiB, for who sends mail

    own_subject, own_text = _OWN[kind]
    subject = filled_in(said.subject or own_subject, values, html=False)
    text = filled_in(own_text if said.text is None else said.text, values, html=False)
    html = None if said.html is None else filled_in(said.html, values, html=True)
    return Rendered(" ".join(subject.split()), text, html)


def template_problems(templates: TemplatesDef) -> Iterator[tuple[str, str, str | None]]:
    """Find what is wrong with templates: each with its place below `templates`, a sentence, and what to do."""
    for kind in TemplatesDef.model_fields:
        said: TemplateDef = getattr(templates, kind)
        for field in ("subject", "text", "html"):
            source = getattr(said, field)
            if source is not None:
                from app.auth.templates_read import problems_of  # noqa: PLC0415 - as above

                for message, hint in problems_of(source, NAMES[kind], html=field == "html"):
                    yield f"{kind}.{field}", message, hint
