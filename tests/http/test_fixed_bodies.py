"""What a body of the fixed routes is refused with says what to send."""

import pytest

from app.http.fixed_bodies import Body, checked
from app.http.fixed_routes import InputInvalid


class _Key(Body):
    name: str
    admin_role: str | None = None
    note: str | None = None


class _Nothing(Body):
    pass


@pytest.mark.parametrize(
    ("model", "sent", "wanted"),
    [
        (_Key, {"name": "one", "role": "editor"}, "There is no such field: did you mean admin_role?"),
        (_Key, {"name": "one", "x": 1}, "There is no such field. There are name, admin_role, note."),
        (_Nothing, {"x": 1}, "There is no such field. None is taken."),
    ],
)
def test_a_field_that_is_not_taken_is_told_with_those_that_are(
    model: type[Body], sent: dict[str, object], wanted: str
) -> None:
    with pytest.raises(InputInvalid) as refusal:
        checked(sent, model)
    (error,) = refusal.value.errors
    assert error.message == wanted
    assert error.loc == ("body", *(key for key in sent if key != "name"))
