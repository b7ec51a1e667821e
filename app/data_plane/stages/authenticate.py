"""authenticate: who is calling, from the Authorization and apikey headers."""

from typing import ClassVar

from app.auth.identify import AuthContext, identify, identify_now
from app.auth.identity import Identity
from app.compiler.runtime import Runtime
from app.data_plane.request import Request
from app.errors import RowgateError
from app.http.challenge import challenge


class CredentialsRepeated(RowgateError):
    """Two credentials of one kind: which of them counts is not for a server to guess."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "auth.credentials_repeated"

    def __init__(self, detail: str) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__(detail, headers=challenge("invalid_request"))


async def authenticate(request: Request, auth: AuthContext, runtime: Runtime) -> Identity:
    """Give the identity; a credential that is there but bad is refused, also where none is needed."""
    known = authenticate_now(request, auth, runtime)
    if known is not None:
        return known
    return await identify(*_credentials(request), context=auth, schemes=runtime.project.project.auth_schemes)


def authenticate_now(request: Request, auth: AuthContext, runtime: Runtime) -> Identity | None:
    """Give the identity if the database need not be asked."""
    return identify_now(*_credentials(request), context=auth, schemes=runtime.project.project.auth_schemes)


def _credentials(request: Request) -> tuple[str | None, str | None]:
    authorization = apikey = None
    for name, value in request.headers:
        if name == b"authorization":
            if authorization is not None:
                raise CredentialsRepeated("Send one Authorization header.")
            authorization = value.decode("latin-1")
        elif name == b"apikey":
            if apikey is not None:
                raise CredentialsRepeated("Send one apikey header.")
            apikey = value.decode("latin-1")
    return authorization, apikey
