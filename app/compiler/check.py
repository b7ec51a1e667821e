"""Every finding about a project: checking is compiling and throwing the result away, so the two can't drift."""

from app.compiler.compile import compile_project
from app.compiler.runtime import Runtime
from app.definitions.project import Project, name_findings
from app.errors import Finding


def compile_checked(project: Project) -> tuple[Runtime | None, list[Finding]]:
    """Give the runtime and every finding, as `compile_project` does, those about names among them."""
    findings = name_findings(project)
    return (None, findings) if findings else compile_project(project)


def check_project(project: Project) -> list[Finding]:
    """Give every finding; none means that the project can be saved and will run."""
    return compile_checked(project)[1]
