"""authorize: the access level against the identity."""

from app.auth.factors import hold_required
from app.auth.identity import Identity
from app.compiler.runtime import Runtime
from app.data_plane.admission import admit
from app.data_plane.targets import Target


def authorize(target: Target, identity: Identity, runtime: Runtime) -> None:
    """Raise SignInRequired when nobody is there, RoleMissing when it is the wrong one, and SecondFactorNeeded."""
    hold_required(runtime.project.auth, identity)
    admit(target.access, identity)
