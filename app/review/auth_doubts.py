"""What is said of sign-in and yet is seldom meant: findings that refuse nothing."""

from collections.abc import Callable, Iterator

from app.definitions.project import Project
from app.definitions.redirect_urls import is_unencrypted, is_wide, redirect_pattern
from app.errors import Finding


def auth_doubts(project: Project, paths: Callable[[], set[str]]) -> Iterator[Finding]:
    """Find redirects that strangers may own, and what goes by addresses that nobody confirmed: the `paths` of rules."""
    for index, said in enumerate(project.auth.redirect_urls):
        pattern, place = redirect_pattern(said), f"auth.redirect_urls/{index}"
        if is_wide(pattern):
            message = "hosts of several owners fit this, and each gets the codes and tokens of who signs in"
            yield Finding(place, message, "write the host out, or a domain of yours behind *", "access.wide_redirect")
        elif is_unencrypted(pattern):
            message = "codes and tokens of who signs in come here unencrypted"
            yield Finding(place, message, "say https://", "access.plain_redirect")
    if project.auth.confirm_email is not False:
        return
    # Also where nobody signs up: who has an account gives it another address.
    if "auth.user.email" in paths():
        message = "people have any address they like, and a rule reads it"
        yield Finding("auth.confirm_email", message, "say confirm_email: true", "access.unconfirmed_email")
    for index, provider in enumerate(project.auth.providers):
        if provider.trust_email:
            message = (
                "people have any address they like, and whose it is at the provider comes into their account by it"
            )
            place = f"auth.providers/{index}.trust_email"
            yield Finding(place, message, "say confirm_email: true", "access.unconfirmed_email")
