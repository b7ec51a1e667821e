"""What is wrong with a value that was sent; no message repeats the value."""

from app.errors import FieldError


class Wrong(Exception):
    """A value that isn't what its field takes, or several inside it."""

    def __init__(self, code: str, message: str) -> None:
        """Say what is wanted, never what came."""
        super().__init__(message)
        self.errors: list[FieldError] = [FieldError((), f"input.{code}", message)]


class WrongInside(Wrong):
    """Fields of an object or items of a list that are wrong, each with its place."""

    def __init__(self, errors: list[FieldError]) -> None:
        """Take all of them."""
        super().__init__("invalid", "")
        self.errors = errors
