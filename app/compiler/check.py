"""Every finding about a project: checking is compiling and throwing the result away, so the two can't drift."""

from app.compiler.compile import compile_project
from app.definitions.project import Project, name_findings
from app.errors import Finding


def check_project(project: Project) -> list[Finding]:
    """Give every finding; none means that the project can be saved and will run."""
    return name_findings(project) or compile_project(project)[1]
