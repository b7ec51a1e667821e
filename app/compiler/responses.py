"""What an endpoint declares of its answers, as validators: a development server holds its answers against them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from app.definitions.endpoints import ResponseDef
from app.errors import RowgateError
from app.http.json_body import parse_json, plain_numbers
from app.relations.findings import Findings
from app.steps.running import Answer

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from referencing import Resource
    from referencing.jsonschema import Schema

_NAMED = 5  # places of an answer


class AnswerMismatch(RowgateError):
    """An answer isn't what its endpoint declares; nothing was changed. Only a development server looks."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "response.mismatch"


@dataclass(frozen=True, slots=True)
class Responses:
    """The validators of the declared statuses, None for one whose body is not described."""

    by_status: "Mapping[str, Draft202012Validator | None]"

    def check(self, answer: Answer) -> None:
        """Raise AnswerMismatch with the places where an answer doesn't fit; no value of it is named."""
        status = str(answer.status)
        declared = next((key for key in (status, f"{status[0]}XX", "default") if key in self.by_status), None)
        if declared is None:
            known = ", ".join(self.by_status)
            raise AnswerMismatch(f"The answer has the status {status}, and `responses` declares {known}.")
        validator = self.by_status[declared]
        if validator is None:
            return
        body = parse_json(answer.body) if answer.body else None
        wrong = [f"{one.json_path} is not {one.validator}" for one in validator.iter_errors(plain_numbers(body))]
        if wrong:
            places = "; ".join(wrong[:_NAMED])
            raise AnswerMismatch(f"The answer is not what `responses` declares for {declared}: {places}.")


def compile_responses(said: Mapping[str, ResponseDef], place: str, findings: Findings) -> Responses | None:
    """Compile the declared answers; a schema that is none is a finding."""
    found: dict[str, Draft202012Validator | None] = {}
    for status, response in said.items():
        schema = response.schema_
        found[status] = None if schema is None else _validator(schema, f"{place}/{status}.schema", findings)
    return Responses(found) if found else None


def _validator(said: dict[str, object], place: str, findings: Findings) -> "Draft202012Validator | None":
    # Backends that declare no answers start without the library.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012, Schema  # noqa: PLC0415

    try:
        Draft202012Validator.check_schema(said)
    except SchemaError as error:
        at = error.json_path.removeprefix("$").lstrip(".")
        where = ".".join(filter(None, (place, at)))
        findings.report(where, "this is no JSON Schema", "a type is string, number, integer, object or array")
        return None
    # A registry of its own: nothing that a schema refers to is fetched.
    registry: Registry[Schema] = Registry()
    schema = DRAFT202012.create_resource(said)
    for reference in _leading_nowhere(registry.resolver_with_root(schema), schema):
        findings.report(place, f"there is nothing at {reference!r}", "a schema refers to its own parts: #/$defs/line")
    return Draft202012Validator(said, registry=registry)


def _leading_nowhere(resolver: Any, schema: "Resource[Schema]") -> Iterator[str]:
    """Give the references that can't be followed, in the schema and all within it."""
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - as above

    said = schema.contents
    for key in ("$ref", "$dynamicRef"):
        if isinstance(said, Mapping) and isinstance(reference := said.get(key), str):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                yield reference
    for part in schema.subresources():
        yield from _leading_nowhere(resolver.in_subresource(part), part)
