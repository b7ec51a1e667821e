"""Every kind of step by the word that follows `do`."""

from collections.abc import Mapping

from app.steps.aggregate import AGGREGATE
from app.steps.branch import IF
from app.steps.call import CALL
from app.steps.context import Kind
from app.steps.count import COUNT
from app.steps.delete import DELETE
from app.steps.exists import EXISTS
from app.steps.fail import FAIL
from app.steps.fetch import FETCH
from app.steps.for_each import FOR_EACH
from app.steps.http import HTTP
from app.steps.insert import INSERT
from app.steps.issue_session import ISSUE_SESSION
from app.steps.list import LIST
from app.steps.quota import QUOTA
from app.steps.rate_limit import RATE_LIMIT
from app.steps.require import REQUIRE
from app.steps.respond import RESPOND
from app.steps.set import SET
from app.steps.sign_in import SIGN_IN
from app.steps.sign_up import SIGN_UP
from app.steps.time_window import TIME_WINDOW
from app.steps.update import UPDATE
from app.steps.update_user import UPDATE_USER
from app.steps.validate import VALIDATE

KINDS: Mapping[str, Kind] = {
    "aggregate": AGGREGATE,
    "call": CALL,
    "count": COUNT,
    "delete": DELETE,
    "exists": EXISTS,
    "fail": FAIL,
    "fetch": FETCH,
    "for_each": FOR_EACH,
    "http": HTTP,
    "if": IF,
    "insert": INSERT,
    "issue_session": ISSUE_SESSION,
    "list": LIST,
    "quota": QUOTA,
    "rate_limit": RATE_LIMIT,
    "require": REQUIRE,
    "respond": RESPOND,
    "set": SET,
    "sign_in": SIGN_IN,
    "sign_up": SIGN_UP,
    "time_window": TIME_WINDOW,
    "update": UPDATE,
    "update_user": UPDATE_USER,
    "validate": VALIDATE,
}
