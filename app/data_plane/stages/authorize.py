"""authorize: the access level against the identity."""

from app.auth.identity import Identity
from app.data_plane.admission import admit
from app.data_plane.targets import Target


def authorize(target: Target, identity: Identity) -> None:
    """Raise SignInRequired when nobody is there, RoleMissing when it is the wrong one."""
    admit(target.access, identity)
