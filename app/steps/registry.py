"""Every kind of step by the word that follows `do`."""

from collections.abc import Mapping

from app.steps.kind import Kind
from app.steps.kinds.aggregate import AGGREGATE
from app.steps.kinds.branch import IF
from app.steps.kinds.call import CALL
from app.steps.kinds.count import COUNT
from app.steps.kinds.delete import DELETE
from app.steps.kinds.exists import EXISTS
from app.steps.kinds.fail import FAIL
from app.steps.kinds.fetch import FETCH
from app.steps.kinds.for_each import FOR_EACH
from app.steps.kinds.http import HTTP
from app.steps.kinds.insert import INSERT
from app.steps.kinds.issue_session import ISSUE_SESSION
from app.steps.kinds.list import LIST
from app.steps.kinds.quota import QUOTA
from app.steps.kinds.rate_limit import RATE_LIMIT
from app.steps.kinds.require import REQUIRE
from app.steps.kinds.respond import RESPOND
from app.steps.kinds.set import SET
from app.steps.kinds.sign_in import SIGN_IN
from app.steps.kinds.sign_up import SIGN_UP
from app.steps.kinds.time_window import TIME_WINDOW
from app.steps.kinds.update import UPDATE
from app.steps.kinds.update_user import UPDATE_USER
from app.steps.kinds.validate import VALIDATE
from app.steps.kinds.verify_signature import VERIFY_SIGNATURE

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
    "verify_signature": VERIFY_SIGNATURE,
}
