"""What a document says under `auth` of others: issuers and providers as run, and whether mails can be written."""

from app.auth.foreign_tokens import Issuer, compile_issuers
from app.auth.mail_templates import template_problems
from app.auth.providers import Provider, compile_providers
from app.definitions.project import Project
from app.relations.findings import Findings
from app.relations.schema import Table


def compile_auth(project: Project, users: Table, findings: Findings) -> tuple[dict[str, Issuer], dict[str, Provider]]:
    """Give the issuers and the providers, with findings about them and about mails."""
    said, allowed = project.auth, project.project.http_allow
    for place, message, hint in template_problems(said.mail.templates):
        findings.report(f"auth.mail.templates.{place}", message, hint)
    needed = [one.name for one in project.users.columns if one.required and not one.has_default]
    roles = [role.name for role in project.roles]
    issuers = compile_issuers(said.issuers, roles, needed, allowed, findings)
    return issuers, compile_providers(said.providers, users, allowed, findings)
