import pytest

from app.compiler.paths import BadPath, MethodNotAllowed, NotFound, Router

ROUTER: Router[str] = Router.build(
    [
        ("GET", "/documents", "list"),
        ("POST", "/documents", "create"),
        ("GET", "/documents/{id}", "one"),
        ("GET", "/documents/latest", "latest"),
        ("POST", "/documents/{id}/submit", "submit"),
        ("DELETE", "/documents/{which}", "remove"),
        ("GET", "/{kind}/latest/all", "all"),
    ]
)


@pytest.mark.parametrize(
    "path",
    [b"", b"/", b"/nothing", b"/documents/", b"//documents", b"/documents//submit", b"/documents/../documents",
     b"/documents/%2e%2e", b"/Documents", b"/documents/1/submit/x", b"/documents/1;x/y", b"/" + b"a/" * 100],
)  # fmt: skip
def test_what_is_not_there_is_not_found(path: bytes) -> None:
    with pytest.raises(NotFound):
        ROUTER.match("GET", path)


@pytest.mark.parametrize("path", [b"/documents/a%2fb", b"/documents/%00", b"/documents/%ff", b"/documents/a%5cb"])
def test_a_path_of_two_readings_is_refused(path: bytes) -> None:
    with pytest.raises(BadPath):
        ROUTER.match("GET", path)


def test_another_method_is_refused_with_those_that_are_allowed() -> None:
    with pytest.raises(MethodNotAllowed) as raised:
        ROUTER.match("PATCH", b"/documents/7")
    assert raised.value.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"


def test_only_methods_of_the_very_path_are_named() -> None:
    with pytest.raises(MethodNotAllowed) as raised:
        ROUTER.match("PATCH", b"/documents/latest")
    assert raised.value.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_literal_part_wins_over_a_name_and_a_name_takes_what_is_left() -> None:
    assert ROUTER.match("GET", b"/documents/latest")[0] == "latest"
    assert ROUTER.match("DELETE", b"/documents/latest")[1] == {"which": "latest"}
    assert ROUTER.match("GET", b"/documents/latest/all")[0] == "all"


def test_parts_are_decoded_once() -> None:
    assert ROUTER.match("POST", b"/documents/%C3%A9%2541/submit") == ("submit", {"id": "\u00e9%41"})


def test_head_is_served_by_get() -> None:
    assert ROUTER.match("HEAD", b"/documents")[0] == "list"


def test_two_routes_for_the_same_requests_are_told() -> None:
    router = Router.build([("GET", "/a/{x}", 1), ("GET", "/a/{y}", 2)])
    assert [conflict.target for conflict in router.conflicts] == [2]
