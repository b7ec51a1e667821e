"""What the head of a request is refused for, before there is a request: its bytes, its time, its form."""

from typing import ClassVar

from app.errors import RowgateError

HEAD_BYTES = 32 * 1024  # of the address, and as many of the header fields
HEADERS = 100


class HeadRefused(RowgateError):
    """The head of the request is none that is taken."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "request.head_invalid"
    said: ClassVar[str] = "The head of the request can't be read."
    what_to_do: ClassVar[str | None] = None

    def __init__(self) -> None:
        """Say what is wrong, and end the connection: where the next request would begin isn't known."""
        super().__init__(self.said, hint=self.what_to_do)


class HeadTooSlow(HeadRefused):
    """The head of the request didn't come in time."""

    status: ClassVar[int] = 408
    code: ClassVar[str] = "request.head_timeout"
    said: ClassVar[str] = "The head of the request didn't come in time."


class AddressTooLong(HeadRefused):
    """The path and the query of the request have too many bytes."""

    status: ClassVar[int] = 414
    code: ClassVar[str] = "request.address_too_long"
    said: ClassVar[str] = f"The path and the query have more than {HEAD_BYTES} bytes."
    what_to_do: ClassVar[str | None] = "A view takes a long query in a body: POST /rest/v1/<view>/query"


class HeadersTooLarge(HeadRefused):
    """The header fields of the request are too many, or have too many bytes."""

    status: ClassVar[int] = 431
    code: ClassVar[str] = "request.headers_too_large"
    said: ClassVar[str] = f"There are more than {HEADERS} header fields, or they have more than {HEAD_BYTES} bytes."
