"""What a call to another service can end with; nothing of its answer, its address or our secrets is in a sentence."""

from typing import ClassVar

from app.errors import RowgateError


class CallFailed(RowgateError):
    """The base of what a step may bind in place of an answer, with `on_error: bind`."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "http.unreachable"


class Denied(CallFailed):
    """The URL, or the address that its name has, is none that may be called."""

    code: ClassVar[str] = "http.denied"

    def __init__(self) -> None:
        """Say the same of every address, so that nobody learns which there are."""
        super().__init__("The service that this needs may not be called.")


class Unreachable(CallFailed):
    """The other service can't be reached, shows no certificate that holds, or doesn't speak HTTP."""

    code: ClassVar[str] = "http.unreachable"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("The service that this needs can't be reached.")


class TimedOut(CallFailed):
    """The other service didn't answer in time."""

    status: ClassVar[int] = 504
    code: ClassVar[str] = "http.timeout"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("The service that this needs didn't answer in time.")


class UpstreamTooLarge(CallFailed):
    """The other service's answer has more bytes than are read."""

    code: ClassVar[str] = "http.too_large"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("The service that this needs answered with too much.")


class AnswerUnreadable(CallFailed):
    """The other service's answer is compressed, no JSON where it says so, or no UTF-8 text."""

    code: ClassVar[str] = "http.unreadable"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("The service that this needs answered with what can't be read.")


class RedirectRefused(CallFailed):
    """A redirect too many, or to where the call may not go."""

    code: ClassVar[str] = "http.redirect"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("The service that this needs answered with a redirect that isn't followed.")


class AnswerRefused(CallFailed):
    """The other service answered with a status of 400 or above."""

    code: ClassVar[str] = "http.status"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("The service that this needs refused.")


class CircuitOpen(CallFailed):
    """The last calls to this host failed, and for a while no other is made."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "http.circuit_open"

    def __init__(self) -> None:
        """Ask for another try later."""
        super().__init__("The service that this needs is not available.", headers={"Retry-After": "10"})


class SecretAstray(CallFailed):
    """A secret would go to a host that it isn't for, or unencrypted; nothing was sent."""

    code: ClassVar[str] = "http.secret_host"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("The service that this needs may not be called.")
