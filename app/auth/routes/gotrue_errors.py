"""What GoTrue's clients read of a refusal: its codes and its sentences, since code of theirs compares both."""

from http import HTTPStatus
from typing import Any, NamedTuple

from app.auth.accounts import EmailInvalid, EmailTaken
from app.auth.anonymous_users import AnonymousOff, TooManyAnonymous
from app.auth.api_keys import ApiKeyInvalid
from app.auth.code_exchange import CodeExchangeFailed, ProviderRefused
from app.auth.counted import CodeLimited, MailLimited
from app.auth.factors import (
    ChallengeExpired,
    FactorCodeWrong,
    FactorNameTaken,
    FactorNotFound,
    FactorsOff,
    SecondFactorNeeded,
    TooManyFactors,
)
from app.auth.failures import TooManyFailures
from app.auth.flows import FlowStateInvalid, LinkNeedsPkce
from app.auth.identify import SessionEnded
from app.auth.in_force import RedirectUnlisted, SignUpClosed
from app.auth.one_time import FlowCodeInvalid, LinkInvalid, VerifierWrong
from app.auth.passkeys import PasskeyChallengeGone, PasskeyNotFound, PasskeyRefused, PasskeysOff
from app.auth.password_change import NonceInvalid, PasswordMissing, PasswordWrong
from app.auth.password_sign_in import AccountDisabled, EmailNotConfirmed, SignInRefused
from app.auth.passwords import PasswordRefused
from app.auth.providers import IdentityTaken, IdTokenRefused, ProviderUnknown
from app.auth.refresh_tokens import RefreshTokenInvalid, RefreshTokenReused
from app.auth.route_limits import RouteLimited
from app.auth.routes.admin_users import UserNotFound
from app.auth.routes.by_provider import IdentityNotThere, LastIdentity
from app.auth.routes.grants import GrantUnsupported
from app.auth.routes.signed_in import SignInNeeded
from app.auth.tokens import TokenExpired, TokenInvalid
from app.errors import RowgateError
from app.http.fixed_routes import InputInvalid
from app.http.json_body import BadJson


class _Wording(NamedTuple):
    """GoTrue's code and sentence, and on the token route the code of OAuth2; without a sentence it is ours."""

    code: str
    text: str | None = None
    oauth2: str = "invalid_request"


_BAD_JWT = "invalid JWT: unable to parse or verify signature"
_CURRENT = "Current password required when setting new password."
_LIMITED = _Wording("over_request_rate_limit", "Request rate limit reached")
_GUESSED = ("pwned", "Password is known to be weak and easy to guess, please choose a different one.")

# What a class isn't listed for holds of the one that it derives from.
_TOLD: dict[type[RowgateError], _Wording] = {
    CodeLimited: _LIMITED,
    FlowCodeInvalid: _Wording("flow_state_not_found", "invalid flow state, no valid flow state found", "invalid_grant"),
    LinkInvalid: _Wording("otp_expired", "Token has expired or is invalid"),
    MailLimited: _Wording("over_email_send_rate_limit", "email rate limit exceeded"),
    NonceInvalid: _Wording("reauthentication_not_valid", "Nonce has expired or is invalid"),
    RedirectUnlisted: _Wording("validation_failed"),
    VerifierWrong: _Wording(
        "bad_code_verifier", "code challenge does not match previously saved code verifier", "invalid_grant"
    ),
    AccountDisabled: _Wording("user_banned", "User is banned", "invalid_grant"),
    AnonymousOff: _Wording("anonymous_provider_disabled", "Anonymous sign-ins are disabled"),
    ApiKeyInvalid: _Wording("bad_jwt", "Invalid API key"),
    BadJson: _Wording("bad_json", "Could not parse request body as JSON"),
    EmailInvalid: _Wording("validation_failed", "Unable to validate email address: invalid format"),
    EmailNotConfirmed: _Wording("email_not_confirmed", "Email not confirmed", "invalid_grant"),
    EmailTaken: _Wording("user_already_exists", "User already registered"),
    ChallengeExpired: _Wording("mfa_challenge_expired"),
    FactorCodeWrong: _Wording("mfa_verification_failed", "Invalid TOTP code entered"),
    FactorNameTaken: _Wording("mfa_factor_name_conflict"),
    FactorNotFound: _Wording("mfa_factor_not_found", "Factor not found"),
    FactorsOff: _Wording("mfa_totp_enroll_not_enabled"),
    GrantUnsupported: _Wording("invalid_credentials", "unsupported_grant_type", "unsupported_grant_type"),
    CodeExchangeFailed: _Wording("unexpected_failure", "Unable to exchange external code"),
    FlowStateInvalid: _Wording("bad_oauth_state", "OAuth state parameter is invalid"),
    LinkNeedsPkce: _Wording("validation_failed"),
    ProviderRefused: _Wording("bad_oauth_callback"),
    IdTokenRefused: _Wording("bad_jwt", "Bad ID token", "invalid_grant"),
    IdentityNotThere: _Wording("identity_not_found", "Identity doesn't exist"),
    IdentityTaken: _Wording("identity_already_exists", "Identity is already linked to another user"),
    InputInvalid: _Wording("validation_failed"),
    LastIdentity: _Wording("single_identity_not_deletable", "User must have at least 1 identity after unlinking"),
    PasskeyChallengeGone: _Wording("webauthn_challenge_not_found"),
    PasskeyNotFound: _Wording("webauthn_credential_not_found"),
    PasskeyRefused: _Wording("webauthn_verification_failed"),
    PasskeysOff: _Wording("passkey_disabled"),
    PasswordMissing: _Wording("current_password_required", _CURRENT),
    PasswordRefused: _Wording("weak_password"),
    PasswordWrong: _Wording("current_password_invalid", _CURRENT),
    RefreshTokenInvalid: _Wording(
        "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found", "invalid_grant"
    ),
    RefreshTokenReused: _Wording("refresh_token_already_used", "Invalid Refresh Token: Already Used", "invalid_grant"),
    ProviderUnknown: _Wording("validation_failed", "Unsupported provider: provider is not enabled"),
    RouteLimited: _LIMITED,
    SecondFactorNeeded: _Wording("insufficient_aal", "AAL2 session is required"),
    SessionEnded: _Wording("session_not_found", "Session from session_id claim in JWT does not exist"),
    SignInNeeded: _Wording("no_authorization", "This endpoint requires a valid Bearer token"),
    SignInRefused: _Wording("invalid_credentials", "Invalid login credentials", "invalid_grant"),
    SignUpClosed: _Wording("signup_disabled", "Signups not allowed for this instance"),
    TokenExpired: _Wording("bad_jwt", f"{_BAD_JWT}, token has invalid claims: token is expired"),
    TokenInvalid: _Wording("bad_jwt", _BAD_JWT),
    TooManyAnonymous: _LIMITED,
    TooManyFactors: _Wording("too_many_enrolled_mfa_factors"),
    TooManyFailures: _LIMITED,
    UserNotFound: _Wording("user_not_found", "User not found"),
}
_TAKEN_BY_ANOTHER = _Wording("email_exists", "A user with this email address has already been registered")
_WEAK: dict[str, tuple[str, str | None]] = {
    "password.too_short": ("length", "Password should be at least {} characters."),
    "password.too_long": ("length", None),
    "password.not_text": ("characters", None),
    "password.common": _GUESSED,
    "password.personal": _GUESSED,
}


def error_members(error: RowgateError, path: str, detail: object) -> dict[str, Any]:
    """Give what GoTrue's clients read of an error, and on the token route OAuth2's (RFC 6749, 5.2).

    `detail` is our own sentence, as the answer shows it.
    """
    told = _told(error, path)
    members: dict[str, Any] = {}
    text = told.text or detail
    if isinstance(error, PasswordRefused):
        reasons = [_WEAK[one.code] for one in error.errors]
        members["weak_password"] = {"reasons": [reason for reason, _ in reasons]}
        text = next((sentence.format(error.least) for _, sentence in reasons if sentence), detail)
    members |= {"error_code": told.code, "msg": text}
    if path.endswith("/token"):
        members |= {"error": told.oauth2, "error_description": text}
    return members


def _told(error: RowgateError, path: str) -> _Wording:
    if isinstance(error, EmailTaken) and (path.endswith("/user") or "/admin/" in path):
        return _TAKEN_BY_ANOTHER
    for kind in type(error).__mro__:
        if (told := _TOLD.get(kind)) is not None:
            return told
    fault = error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    return _Wording("unexpected_failure" if fault else error.code.rpartition(".")[2])
