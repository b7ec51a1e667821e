"""The OpenAPI document of what is served now, whose making is loaded with the first."""

from app.compiler.runtime import Runtime
from app.http.json_answer import to_json


class ServedDocument:
    """The document of what is served now, made once for each revision."""

    def __init__(self, server_url: str | None) -> None:
        """Take where the server is, as clients see it."""
        self._url = server_url
        self._made: tuple[int, bytes] | None = None

    def of(self, runtime: Runtime) -> bytes:
        """Give it as JSON."""
        from app.data_plane.described.openapi import openapi_document  # noqa: PLC0415 - with the routes of sign-in

        if self._made is None or self._made[0] != runtime.revision:
            self._made = runtime.revision, to_json(openapi_document(runtime, server_url=self._url))
        return self._made[1]
