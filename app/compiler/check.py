"""Every finding about a project: checking is compiling and throwing the result away, so the two can't drift."""

from dataclasses import dataclass

from app.compiler.compile import compile_project
from app.compiler.full_form import WrittenOut, in_full
from app.compiler.runtime import Runtime
from app.database.quoting import DATA_SCHEMA
from app.definitions.project import Project, name_findings, parse_project
from app.definitions.readable import readable
from app.errors import Finding, refusing
from app.relations.findings import Findings
from app.relations.memory import MEMORY, Memory


@dataclass(frozen=True, slots=True)
class Checked:
    """A project with every condition in its full form, its runtime if none of the findings refuses it, and these.

    `written_out` are the conditions that were said in less than that, `secrets` the names of those that it needs.
    """

    project: Project
    runtime: Runtime | None
    findings: list[Finding]
    written_out: tuple[WrittenOut, ...] = ()
    secrets: tuple[str, ...] = ()


def compile_checked(project: Project, memory: Memory = MEMORY, schema: str = DATA_SCHEMA) -> Checked:
    """Compile a project as `compile_project` does; findings about names are among its findings."""
    if found := name_findings(project):
        return Checked(project, None, found)
    gathered = Findings()
    runtime, findings = compile_project(project, schema=schema, memory=memory, gathered=gathered)
    full, written_out = (project, ()) if runtime is None else in_full(project, gathered.checked)
    asked = {one.client_secret for one in project.auth.providers if one.client_secret is not None}
    secrets = tuple(sorted({*gathered.secrets, *asked}))
    if not written_out:
        return Checked(project, runtime, findings, secrets=secrets)
    return Checked(full, *compile_project(full, schema=schema, memory=memory), written_out, secrets)


def check_document(document: object, memory: Memory = MEMORY) -> tuple[Checked | None, list[Finding]]:
    """Give what a document's project is, None where it can't be read, and every finding.

    Of a document that can't be read, what can be is checked all the same.
    """
    project, findings = parse_project(document)
    if project is None:
        return None, findings + findings_of_the_rest(document)
    checked = compile_checked(project, memory)
    return checked, checked.findings


def findings_of_the_rest(document: object) -> list[Finding]:
    """Give what else is wrong with a document that can't be read; what speaks of what can't be read is not judged."""
    project, gone = readable(document)
    if project is None:
        return []
    found = refusing(check_project(project))
    return [one for one in found if not any(f"'{name}'" in one.message for name in gone)]


def check_project(project: Project) -> list[Finding]:
    """Give every finding; none means that the project can be saved and will run."""
    return compile_checked(project).findings
