"""The mails that sign-in sends: from whom, how long their links hold, and what they say."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from app.definitions.names import Definition

MAX_TEMPLATE = 64 * 1024  # characters
_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": 60, "h": 3600, "d": 86400}
_LONGEST = 30 * _UNITS["d"]
_SENDER = re.compile(r"(?:[^<>@\x00-\x1f\x7f\"]{0,100} <)?[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,253}>?")


def _checked_duration(text: str) -> str:
    found = _DURATION.fullmatch(text)
    if found is None or int(found[1]) * _UNITS[found[2]] > _LONGEST:
        msg = "a time is a number and m, h or d, such as 15m, and at most 30d"
        raise ValueError(msg)
    return text


def _checked_code_time(text: str) -> str:
    if seconds(_checked_duration(text)) > _UNITS["h"]:
        msg = "a code of six digits holds at most 1h"
        raise ValueError(msg)
    return text


def _checked_sender(text: str) -> str:
    if not _SENDER.fullmatch(text) or ("<" in text) != text.endswith(">"):
        msg = 'a sender is an address, or a name and an address: "Shop <no-reply@example.com>"'
        raise ValueError(msg)
    return text


def seconds(duration: str) -> int:
    """Give the seconds of a time that was checked."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


Duration = Annotated[str, AfterValidator(_checked_duration)]
TemplateText = Annotated[str, Field(max_length=MAX_TEMPLATE)]


class LifetimesDef(Definition):
    """How long what a mail holds can be used: a number and `m`, `h` or `d`."""

    code: Annotated[str, AfterValidator(_checked_code_time)] = "15m"
    """A code of six digits, at most `1h`."""
    magic_link: Duration = "15m"
    """A link that signs in."""
    recovery: Duration = "1h"
    """A link for who has forgotten the password."""
    confirmation: Duration = "24h"
    """A link that confirms a new account's address."""
    email_change: Duration = "24h"
    """The links of a change of address."""
    invite: Duration = "7d"
    """An invitation's link."""


class TemplateDef(Definition):
    """What one kind of mail says; what is left out is Rowgate's own."""

    subject: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """The subject, a template."""
    text: TemplateText | None = None
    """The text, a template."""
    html: TemplateText | None = None
    """The same as HTML, a template whose values are escaped; where only `text` is said, there is none."""

    @model_validator(mode="after")
    def _says_something(self) -> "TemplateDef":
        if self.html is not None and self.text is None:
            msg = "html needs text beside it, for readers that show none"
            raise ValueError(msg)
        return self


class TemplatesDef(Definition):
    """What mails say, by their kind."""

    confirmation: TemplateDef = TemplateDef()
    """To who signs up."""
    recovery: TemplateDef = TemplateDef()
    """To who has forgotten the password."""
    magic_link: TemplateDef = TemplateDef()
    """To who asks for a link that signs in, by `POST /magiclink`."""
    code: TemplateDef = TemplateDef()
    """To who asks for a code or a link that signs in, by `POST /otp`."""
    email_change: TemplateDef = TemplateDef()
    """To both addresses of a change."""
    invite: TemplateDef = TemplateDef()
    """To who is invited."""
    reauthentication: TemplateDef = TemplateDef()
    """To who is to show once more that the address is theirs."""
    password_changed: TemplateDef = TemplateDef()
    """Notice that the password is another one."""
    email_changed: TemplateDef = TemplateDef()
    """Notice to the address of before."""
    factor_changed: TemplateDef = TemplateDef()
    """Notice that a second factor came or went."""
    identity_linked: TemplateDef = TemplateDef()
    """Notice that another way in was linked."""
    identity_unlinked: TemplateDef = TemplateDef()
    """Notice that a way in is one no longer."""


class MailDef(Definition):
    """The mails that sign-in sends."""

    from_: Annotated[str, AfterValidator(_checked_sender)] | None = Field(default=None, alias="from")
    """Who sends them: an address, or a name and an address."""
    links: Literal["page", "direct"] = "page"
    """Whether a link shows a page with a button, or is used by being opened."""
    lifetimes: LifetimesDef = LifetimesDef()
    """How long links and codes hold."""
    templates: TemplatesDef = TemplatesDef()
    """What they say."""
