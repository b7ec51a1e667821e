"""An endpoint's declared input as validators: one for each place that it comes from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.definitions.column_types import Keys
from app.definitions.endpoints import BODY_TYPES, EndpointDef
from app.definitions.inputs import header_name
from app.definitions.validation import Validator, object_validator
from app.errors import FieldError
from app.expressions.types import one_set
from app.http.json_body import BadText, check_text, text_of_bytes
from app.http.query_string import form_pairs
from app.steps.refusals import InputRefused

Rules = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class BoundInputs:
    """The validators of an endpoint; `header_names` maps a header's name to the input's.

    `body_of_all` reads a body in which the inputs of the query stand too; a body that is `any` is an input by itself.
    Where there is no `body` none is read. `form` reads the fields of a form, `media_types` are those of bodies that are
    taken.
    """

    path: Validator | None
    query: Validator
    headers: Validator | None
    header_names: Mapping[bytes, str]
    body: Validator | None
    body_of_all: Validator
    rules: Rules | None
    any_body: bool
    form: Validator
    media_types: frozenset[str]

    def reads_json(self, media_type: str) -> bool:
        """Say whether a body of a media type is read as JSON."""
        return media_type not in _ANY if self.any_body else media_type != BODY_TYPES["form"]

    def bind(
        self,
        path: Mapping[str, str],
        query: Sequence[tuple[str, str | list[str]]],
        headers: Sequence[tuple[bytes, bytes]],
        body: Any,
        *,
        media_type: str,
        all_in_body: bool = False,
    ) -> dict[str, Any]:
        """Give every input by its name; raises InputRefused with every field that failed, or BadText.

        The body is what it says where it is JSON, and else its bytes; None where there is none.
        """
        found: dict[str, object] = {}
        errors: list[FieldError] = []
        places: list[tuple[str, tuple[dict[str, object], list[FieldError]]]] = []
        if self.path is not None:
            places.append(("path", self.path.read(path)))
        if not all_in_body and (query or self.query.names):
            places.append(("query", self.query.from_pairs(query)))
        if self.headers is not None:
            places.append(("headers", self.headers.from_pairs(_named(headers, self.header_names))))
        reads = self.body_of_all if all_in_body else self.body
        if reads is not None and (self.body is not None or reads.names):
            places.append(("body", self._read(reads, body, media_type)))
        for place, (values, wrong) in places:
            found |= values
            errors += [FieldError((place, *e.loc), e.code, e.message) for e in wrong]
        if errors:
            raise InputRefused("The input is not what is wanted here.", errors=errors)
        return found

    def _read(self, reads: Validator, body: Any, media_type: str) -> tuple[dict[str, object], list[FieldError]]:
        if self.any_body:
            return reads.read({"body": _ANY[media_type](body) if media_type in _ANY else body} if media_type else {})
        if media_type == BODY_TYPES["form"]:
            return self.form.from_pairs(form_pairs(body))
        return reads.read(_object(body) if media_type else {})


def _form(body: bytes) -> dict[str, object]:
    """Give each field of a form as a text; one that stands several times is the list of its texts."""
    found: dict[str, list[str]] = {}
    for name, text in form_pairs(body):
        found.setdefault(name, []).append(text)
    return {name: texts if len(texts) > 1 else texts[0] for name, texts in found.items()}


_ANY: Mapping[str, Callable[[bytes], object]] = {BODY_TYPES["form"]: _form, BODY_TYPES["text"]: text_of_bytes}


def _object(value: Any) -> Mapping[str, object]:
    if not isinstance(value, dict):
        error = FieldError(("body",), "input.type", "An object is wanted.")
        raise InputRefused("The body has to be a JSON object.", errors=[error])
    return value


def _named(headers: Sequence[tuple[bytes, bytes]], names: Mapping[bytes, str]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in headers:
        if name in names:
            try:
                pairs.append((names[name], check_text(value.decode("utf-8"))))
            except UnicodeDecodeError:
                raise BadText("A header is not UTF-8 text.") from None
    return pairs


def compile_inputs(said: EndpointDef, keys: Keys, rules: Rules | None) -> BoundInputs:
    """Compile an endpoint's input."""
    inputs = said.input
    body = object_validator(inputs.body_fields, keys)
    of_all = object_validator({**inputs.query, **inputs.body_fields}, keys) if inputs.query else body
    return BoundInputs(
        object_validator(inputs.path, keys, text=True) if inputs.path else None,
        object_validator(inputs.query, keys, text=True),
        object_validator(inputs.headers, keys, text=True) if inputs.headers else None,
        {header_name(name).encode(): name for name in inputs.headers},
        body if inputs.body else None,
        of_all,
        rules,
        isinstance(inputs.body, str),
        object_validator(inputs.body_fields if "form" in said.body_types else {}, keys, text=True),
        one_set(frozenset(BODY_TYPES[one] for one in said.body_types)),
    )
