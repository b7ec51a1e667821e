"""An endpoint's declared input as validators: one for each place that it comes from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.definitions.endpoints import EndpointDef
from app.definitions.inputs import header_name
from app.definitions.validation import Validator, object_validator
from app.errors import FieldError
from app.http.json_body import BadText, check_text, parse_json
from app.steps.refusals import InputRefused

Rules = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class BoundInputs:
    """The validators of an endpoint; `headers` maps a header's name to the input's."""

    path: Validator | None
    query: Validator
    headers: Validator | None
    header_names: Mapping[bytes, str]
    body: Validator | None
    rules: Rules | None

    @property
    def takes_body(self) -> bool:
        """Say whether a body is read at all."""
        return self.body is not None

    def bind(
        self,
        path: Mapping[str, str],
        query: Sequence[tuple[str, str]],
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> dict[str, Any]:
        """Give every input by its name; raises InputRefused with every field that failed, or BadJson."""
        found: dict[str, object] = {}
        errors: list[FieldError] = []
        places: list[tuple[str, tuple[dict[str, object], list[FieldError]]]] = []
        if self.path is not None:
            places.append(("path", self.path.read(path)))
        if query or self.query.names:
            places.append(("query", self.query.from_pairs(query)))
        if self.headers is not None:
            places.append(("headers", self.headers.from_pairs(_named(headers, self.header_names))))
        if self.body is not None:
            places.append(("body", self.body.read(_object(body))))
        for place, (values, wrong) in places:
            found |= values
            errors += [FieldError((place, *e.loc), e.code, e.message) for e in wrong]
        if errors:
            raise InputRefused("The input is not what is wanted here.", errors=errors)
        return found


def _object(body: bytes) -> Mapping[str, object]:
    value = parse_json(body) if body else {}
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


def compile_inputs(said: EndpointDef, bigints: Collection[str], rules: Rules | None) -> BoundInputs:
    """Compile an endpoint's input."""
    inputs = said.input
    return BoundInputs(
        object_validator(inputs.path, bigints, text=True) if inputs.path else None,
        object_validator(inputs.query, bigints, text=True),
        object_validator(inputs.headers, bigints, text=True) if inputs.headers else None,
        {header_name(name).encode(): name for name in inputs.headers},
        object_validator(inputs.body, bigints) if inputs.body else None,
        rules,
    )
