"""Where a sign-in may end: what is refused comes first."""

import pytest

from app.definitions.project import parse_project
from app.definitions.redirect_urls import redirect_pattern

APP = "https://app.example.com/**"


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        (APP, "//app.example.com/"), (APP, "/\\app.example.com"), (APP, "https:app.example.com"),
        (APP, "https:/app.example.com"), (APP, "https://app.example.com\\@evil.example/"),
        (APP, "https://app.example.com@evil.example/"), (APP, "https://evil.example/app.example.com/"),
        (APP, "https://evil.example/?https://app.example.com/"), (APP, "https://evil.example#app.example.com/"),
        (APP, "https://app.example.com.evil.example/"), (APP, "https://app.example.com:444/"),
        (APP, "http://app.example.com/"), (APP, "https://app.example.com/a\n"), (APP, "https://app.exa\tmple.com/"),
        (APP, " https://app.example.com/"), (APP, "https://аpp.example.com/"), (APP, "javascript://app.example.com/"),
        (APP, ""), (APP, "https://" + "a" * 3000), (APP, "https://app.example.com/a/../b"),
        (APP, "https://app.example.com/%2e%2e/b"), (APP, "https://app.example.com/a%2f..%2fb"),
        (APP, "https://app.example.com%2f.evil.example/"), (APP, "https://[::1/"),
        ("https://*.example.com/", "https://a.b.example.com/"), ("https://*.example.com/", "https://.evil/.example.com/"),
        ("https://*.example.com/", "https://example.com/"), ("https://*.example.com/", "https://a.example.com/more"),
        ("https://app.example.com/*/done", "https://app.example.com/a/b/done"),
        ("https://app.example.com/*/done", "https://app.example.com/a%2Fb/done"),
        ("https://app.example.com/*", "https://app.example.com/a.b"),
        ("myapp://signed-in", "myapp://signed-out"), ("myapp://signed-in", "other://signed-in"),
        ("https://app.example.com/done", "https://app.example.com/Done"),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_listed_url_is_none(pattern: str, url: str) -> None:
    assert not redirect_pattern(pattern).matches(url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        (APP, "https://app.example.com"), (APP, "https://app.example.com/"), (APP, "https://app.example.com:443/a"),
        (APP, "https://APP.example.com/a/b.html?next=/c#d"), ("http://localhost:5173/**", "http://localhost:5173/x"),
        ("https://*.example.com/", "https://a.example.com/?q=1"), ("http://[::1]:3000/", "http://[::1]:3000/"),
        ("https://pr-*-app.example.com/**", "https://pr-17-app.example.com/"), ("myapp://signed-in", "myapp://signed-in"),
        ("com.example.app:/oauth", "com.example.app:/oauth"),
    ],
)  # fmt: skip
def test_a_listed_url_is_one_with_any_query_and_fragment(pattern: str, url: str) -> None:
    assert redirect_pattern(pattern).matches(url)


@pytest.mark.parametrize(
    "said",
    ["app.example.com", "//app.example.com", "https://*", "https://**.example.com/", "https://a@b.example.com/", "*://a.com/",
     "https://app.example.com:*/", "javascript:alert(1)", "https://app.example.com/?a=*", "data:text/html,x",
     "https://app.example.com/../", "http*://a.com/"],
)  # fmt: skip
def test_a_pattern_that_could_mean_anything_is_a_finding(said: str) -> None:
    project, findings = parse_project({"rowgate": 1, "auth": {"redirect_urls": [said]}})
    assert project is None
    assert [one.place for one in findings] == ["auth.redirect_urls/0"]
