"""Parts of values: fields of records, keys of maps, items of lists, each by its closure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.expressions import syntax
from app.expressions.compiling import Closure, Environment, State, placed, unknown
from app.expressions.operations import Unknown, kind_of
from app.expressions.types import BOOL, INT, STRING, Record


def compile_field(state: State, node: syntax.Field) -> Closure:
    """Read a field of a record, or a key of what is none."""
    name, operand = node.name, node.operand
    if not isinstance(operand.type, Record):
        return _key(state, node, operand, lambda _env: name)
    if isinstance(operand, syntax.Name):
        root = operand.name

        def field_of_name(env: Environment) -> Any:
            value = env.get(root)
            return None if value is None else value.get(name)

        return field_of_name
    inner = state.compile(operand)

    def field(env: Environment) -> Any:
        value = inner(env)
        return None if value is None else value.get(name)

    return field


def _key(state: State, node: syntax.Node, operand: syntax.Node, key: Closure) -> Closure:
    """Select from a map or dynamic value: of null it is null, a key that isn't there is an error."""
    inner = state.compile(operand)

    def select(env: Environment) -> object:
        value = inner(env)
        if value is None:
            return None
        name = key(env)
        if not isinstance(value, dict):
            raise unknown(node, "this value has no fields")
        if name not in value:
            raise unknown(node, "there is no such key")
        return value[name]

    return select


def compile_index(state: State, node: syntax.Index) -> Closure:
    """Read an item of a list, or of a map by its key."""
    inner, index = state.compile(node.operand), state.compile(node.index)
    pick = placed(node, _pick)

    def indexed(env: Environment) -> Any:
        value, position = inner(env), index(env)
        if value is None or position is None:
            raise unknown(node)
        return pick(value, position)

    return indexed


def _pick(value: Any, position: Any) -> object:
    if isinstance(position, float) and position.is_integer():
        position = int(position)
    if isinstance(value, dict):
        if position not in value or kind_of(position) not in (STRING, INT, BOOL):
            raise Unknown("there is no such key")
        return value[position]
    if not isinstance(value, list) or kind_of(position) != INT:
        raise Unknown("this value can't be indexed so")
    if not 0 <= position < len(value):
        raise Unknown("the index is outside the list")
    return value[position]


def compile_has(state: State, node: syntax.Has) -> Closure:
    """Say whether a key or a field is there."""
    inner, name = state.compile(node.operand), node.name
    # A column or an input is there if it holds something: has(row.approved_at) must not be true of a null.
    filled = isinstance(node.operand.type, Record)

    def has(env: Environment) -> bool:
        try:
            value = inner(env)
        except Unknown:
            return False
        return isinstance(value, Mapping) and name in value and not (filled and value[name] is None)

    return has
