"""The OpenAPI documents of the fixed routes: valid, complete, and kept by what the server answers."""

import asyncio
import re
from itertools import product
from typing import Any

import pytest
import schemathesis
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import FailedHealthCheck, Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from app.control_plane.router import admin_document
from app.data_plane.described.openapi import fixed_document
from app.definitions.project import KINDS
from app.errors import RowgateError
from app.http.fixed_routes import FixedRouter, described, refuses
from tests.auth.conftest import DOCUMENT
from tests.backend import Backend, serving
from tests.clients.test_supabase_js import listening

# Where fifty tries in a row make no request there is none, and four hundred more are not waited for.
SUPPRESSED = [one for one in HealthCheck if one is not HealthCheck.filter_too_much]
SAME_EACH_TIME = settings(
    derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=SUPPRESSED
)
KEPT = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]


def of_fastapi(backend: Backend) -> set[tuple[str, str]]:
    routes = iter_route_contexts(backend.app.fastapi.routes)
    return {(method, str(route.path)) for route in routes for method in route.methods or () if method != "HEAD"}


def operations(document: Any) -> dict[tuple[str, str], Any]:
    listed = document["paths"].items()
    return {(method.upper(), path): operation for path, methods in listed for method, operation in methods.items()}


async def test_both_documents_are_valid_and_together_have_every_route_with_what_it_answers(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        admins = (await backend.client.get("/admin/v1/openapi.json")).json()
        others = (await backend.client.get("/openapi.json")).json()
        routes = of_fastapi(backend)
    validate(admins)
    validate(others)
    found = operations(admins) | operations(others)
    assert routes <= found.keys()
    assert {one for one in routes if one[1].startswith("/admin/v1")} == operations(admins).keys()
    for route in routes:
        answers = found[route]["responses"]
        assert any(status.startswith(("2", "303")) for status in answers), route
        for status, said in answers.items():
            assert status in {"204", "303"} or all(one["schema"] for one in said["content"].values()), (route, status)
        assert "5XX" in answers, route


async def test_a_method_that_a_path_has_not_is_refused_with_those_that_it_has(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        for document in (admin_document(), fixed_document()):
            for path, methods in document["paths"].items():
                answer = await backend.client.request("TRACE", re.sub(r"\{\w+\}", "x", path))
                assert (answer.status_code, answer.json()["code"]) == (405, "route.method_not_allowed"), path
                # HEAD is what GET is, and stands in no document.
                allowed = [one for one in answer.headers["allow"].split(", ") if one != "HEAD"]
                assert allowed == sorted(map(str.upper, methods)), path


def lists_without_items(part: Any, place: str = "") -> list[str]:
    """Give the places of a document's arrays that don't say of what."""
    if not isinstance(part, dict):
        found = part if isinstance(part, list) else []
        return [one for index, inner in enumerate(found) for one in lists_without_items(inner, f"{place}/{index}")]
    kinds = part.get("type")
    bare = "array" in (kinds if isinstance(kinds, list) else [kinds]) and "items" not in part
    inner = [one for name, value in part.items() for one in lists_without_items(value, f"{place}/{name}")]
    return ([place] if bare else []) + inner


def test_every_list_in_the_documents_says_of_what() -> None:
    assert lists_without_items(admin_document()) == lists_without_items(fixed_document()) == []
    loc = admin_document()["components"]["schemas"]["ProblemField"]["properties"]["loc"]
    assert loc["items"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert lists_without_items({"a": [{"type": ["array", "null"]}]}) == ["/a/0"]


class Fallen(RowgateError):
    """A refusal of this test."""

    status = 409
    code = "test.fallen"


def test_what_a_dependency_and_a_route_refuse_stands_in_the_document() -> None:
    router = FixedRouter()

    @router.get("/there")
    @refuses(Fallen)
    async def there(number: int) -> None:
        """Fall."""

    answers = described(router.routes, problems=(), title="t", version="1")["paths"]["/there"]["get"]["responses"]
    codes = {
        status: said["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
        for status, said in answers.items()
        if status in {"409", "422"}
    }
    assert codes == {"409": ["test.fallen"], "422": ["input.invalid"]}


@pytest.mark.parametrize("path", ["/docs", "/admin/v1/docs"])
async def test_a_page_of_a_document_loads_nothing_from_other_hosts(migrated_url: str, path: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        page = await backend.client.get(path)
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(loaded) == 3
        for one in [*loaded, *re.findall(r"url: '([^']+)'", page.text)]:
            assert one.startswith("/"), one
            assert (await backend.client.get(one)).status_code == 200
        assert "//" not in re.sub(r"<!--.*?-->", "", page.text, flags=re.DOTALL)
        assert (await backend.client.get("/docs/redoc.standalone.js")).status_code == 422


def asked(document: Any, url: str, headers: dict[str, str]) -> list[str]:
    """Ask each operation of a document made-up things, well-formed and not; give what was answered and isn't told."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    found = []

    def ask(operation: Any, mode: GenerationMode) -> None:
        times = 2 if mode is GenerationMode.POSITIVE else 1

        @settings(SAME_EACH_TIME, max_examples=times)
        @given(case=operation.as_strategy(generation_mode=mode))
        def once(case: Any) -> None:
            case.validate_response(case.call(headers=headers), checks=KEPT)

        once()

    listed: Any = schema.get_all_operations()
    for operation, mode in product([one.ok() for one in listed], GenerationMode):
        try:
            ask(operation, mode)
        except (Unsatisfiable, FailedHealthCheck) as error:
            # Nothing can be wrong about a request that takes nothing but texts in its path and its headers.
            if mode is GenerationMode.POSITIVE or operation.body or operation.query:
                found.append(f"{operation.label}: {error}")
        except (Exception, FailureGroup) as error:
            found.append(f"{operation.label}: {error}")
    return found


def of_admins() -> Any:
    """Give the document of the admin API with one kind of definitions: their routes are alike."""
    others = {f"/admin/v1/{section}{one}" for section in KINDS if section != "views" for one in ("", "/{name}")}
    paths = {path: said for path, said in admin_document()["paths"].items() if path not in others}
    return {**admin_document(), "paths": paths}


def without_a_refusal() -> Any:
    """Give the document of one route that doesn't tell of a refusal."""
    path = "/admin/v1/users/{user_id}"
    get = admin_document()["paths"][path]["get"]
    told = {status: said for status, said in get["responses"].items() if status != "404"}
    return {**admin_document(), "paths": {path: {"get": {**get, "responses": told}}}}


async def test_made_up_requests_get_no_answer_that_stands_in_no_document(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url:
        root = await backend.admin()
        key = await backend.client.post("/admin/v1/api-keys", json={"name": "k", "admin_role": "owner"}, headers=root)
        admin = {"Authorization": f"Bearer {key.json()['key']}"}
        person = await backend.sign_up("alice")
        user = {"Authorization": f"Bearer {person.session['access_token']}"}
        found = await asyncio.to_thread(asked, of_admins(), url, admin)
        found += await asyncio.to_thread(asked, fixed_document(), url, user)
        assert await asyncio.to_thread(asked, without_a_refusal(), url, admin) != []
    assert "\n".join(found) == ""
