"""Findings, as answers of the admin API show them."""

from app.http.fixed_routes import Declared


class FindingAnswer(Declared):
    """One problem of a definition: its place, a code, a sentence, what to do, and an expression's line with a caret."""

    place: str
    code: str
    message: str
    hint: str | None
    excerpt: str | None
