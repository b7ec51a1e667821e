"""What httpx works out for each request that it has worked out before, or that comes to nothing."""

import re
import sys
from functools import lru_cache
from importlib.util import find_spec

import httpx
from httpx import _urlparse, _urls

# What begins with no host, and has no fragment, which is not sent.
PLAIN_PATH = re.compile(r"/(?!/)[^#]*\Z")


def make_requests_cheap() -> None:
    """Let it read a URL once, and look for cookies only where one is set."""
    # Where it isn't installed, httpx would look for it in all paths, at each request.
    if find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]  # it is what says so

    # Both modules have a name for it, and what it gives can't be changed.
    _urls.urlparse = _urlparse.urlparse = lru_cache(maxsize=500)(_urlparse.urlparse)  # type: ignore[attr-defined]

    merge_url = httpx.AsyncClient._merge_url

    def merged(client: httpx.AsyncClient, url: httpx.URL | str) -> httpx.URL:
        # It would read the path by itself, and once more behind the host.
        if isinstance(url, str) and PLAIN_PATH.match(url) and client.base_url.raw_path == b"/":
            return httpx.URL(str(client.base_url).rstrip("/") + url)
        return merge_url(client, url)

    httpx.AsyncClient._merge_url = merged  # type: ignore[assignment, method-assign]

    extract_cookies = httpx.Cookies.extract_cookies

    def extracted(cookies: httpx.Cookies, answer: httpx.Response) -> None:
        if "set-cookie" in answer.headers:
            extract_cookies(cookies, answer)

    httpx.Cookies.extract_cookies = extracted  # type: ignore[assignment, method-assign]
