"""Roles that access and rules ask for by name, and that there are none of: such a rule lets nobody in, ever."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.definitions.access import RolesAccess
from app.definitions.project import Project
from app.errors import near
from app.expressions import syntax
from app.expressions.problems import Problem, excerpt
from app.relations.findings import Findings

_PATH = "auth.user.roles"
_COMPARING = frozenset({"in", "==", "!="})


def check_role_names(project: Project, findings: Findings) -> None:
    """Find names of roles in rules that the project doesn't have; what is stored so goes on as it did."""
    roles = [role.name for role in project.roles]
    hint = f"there are {', '.join(roles)}" if roles else "add it to roles"
    for place, expression in findings.checked:
        # What stands in a middleware was checked there, and once is enough.
        if _PATH not in expression.paths or "(" in place:
            continue
        for name in dict.fromkeys(_names(expression.tree, {})):
            if name.value not in roles:
                message, cure = f"unknown role {name.value!r}", near(name.value, roles) or hint
                shown = excerpt(expression.text, Problem(name.line, name.column, message))
                findings.report(place, message, cure, excerpt=shown, stricter=True)


def check_access_roles(project: Project, findings: Findings) -> None:
    """Find names of roles that `access` asks for and the project doesn't have."""
    roles = [role.name for role in project.roles]
    said = [(f"endpoints/{one.name}.access", one.access) for one in project.endpoints]
    said += [(f"views/{one.name}.access", one.access) for one in project.views]
    said += [
        (rule.place_of("access"), rule.access) for view in project.views for rule in view.rules if "access" in rule.own
    ]
    for place, access in said:
        for role in access.roles if isinstance(access, RolesAccess) else ():
            if role not in roles:
                findings.unknown(f"{place}.roles", "role", role, roles)


@dataclass(frozen=True, slots=True)
class _Roles:
    """Stands for the caller's roles, or one of them."""


_ROLES = _Roles()
_Known = Mapping[str, _Roles | list[syntax.Literal]]


def _names(node: syntax.Node, variables: _Known) -> Iterator[syntax.Literal]:
    """Yield the texts that are compared with the caller's roles."""
    if isinstance(node, syntax.Binary) and node.operator in _COMPARING:
        sides = [_meant(side, variables) for side in (node.left, node.right)]
        if _ROLES in sides:
            yield from (text for side in sides if isinstance(side, list) for text in side)
    if isinstance(node, syntax.Comprehension):
        meant = _meant(node.operand, variables)
        variables = {name: what for name, what in variables.items() if name != node.variable}
        variables = variables if meant is None else {**variables, node.variable: meant}
    for part in syntax.parts(node):
        yield from _names(part, variables)


def _meant(node: syntax.Node, variables: _Known) -> _Roles | list[syntax.Literal] | None:
    """Give the roles, or the texts, that a side of a comparison stands for; None for anything else."""
    match node:
        case syntax.Convert(operand=operand) | syntax.Index(operand=operand):
            return _meant(operand, variables)
        case syntax.Name(name=name):
            return variables.get(name)
        case syntax.Field(name="roles", operand=syntax.Field(name="user", operand=syntax.Name(name="auth"))):
            return _ROLES
        case syntax.Literal(value=str()):
            return [node]
        case syntax.ListLiteral(items=items):
            return [one for one in items if isinstance(one, syntax.Literal) and isinstance(one.value, str)]
    return None
