"""Which relationship an embedded view is meant by, and whether this caller may follow it."""

from collections.abc import Sequence

from app.auth.identity import Identity
from app.compiler.runtime import DefinitionsBroken, RelatedViews
from app.data_plane.admission import RoleMissing, SignInRequired, admit
from app.data_plane.rest.dialect.refusals import QueryUnsupported, RelationAmbiguous, RelationUnknown
from app.relations.relationships import Relationship
from app.relations.source import Source


class Reachable:
    """The views that a caller may read beside others."""

    def __init__(self, related: RelatedViews, identity: Identity) -> None:
        """Take what relates views, each view's access level, and who calls."""
        self._relationships = related.relationships
        self._access = related.access
        self._closed = related.closed
        self._identity = identity

    def follow(self, here: Source, target: str, hints: Sequence[str]) -> Relationship:
        """Give the one relationship that is meant.

        Raises what calling the other view itself would raise, so that its columns are as unknown to who may not read
        it; RelationUnknown and RelationAmbiguous where there is none, or more than one; DefinitionsBroken.
        """
        if target in self._closed:
            raise DefinitionsBroken
        named = target in self._access
        if named:
            admit(self._access[target], self._identity)
            if (reason := self._relationships.reason_against(target)) is not None:
                raise QueryUnsupported(f"The view {target} {reason}, so it can't be read inside another.")
        found = [
            one
            for one in self._relationships.between(here, target)
            if all(hint in one.hints or hint == one.target.name for hint in hints)
            and (named or self._relationships.reason_against(one.target.name) is None)
        ]
        open_ones = [one for one in found if self._may_follow(one)]
        if found and not open_ones:
            self._authorize(found[0])
        if not open_ones:
            raise RelationUnknown(here.name, target)
        if len(open_ones) > 1 and target == here.name and not hints:
            # As PostgREST reads a view beside itself: the rows that refer to this one, where there is one way to them.
            open_ones = [one for one in open_ones if not one.refers] or open_ones
        if len(open_ones) > 1:
            raise RelationAmbiguous(here.name, target, open_ones)
        return open_ones[0]

    def _may_follow(self, relationship: Relationship) -> bool:
        try:
            self._authorize(relationship)
        except (SignInRequired, RoleMissing):
            return False
        return True

    def _authorize(self, relationship: Relationship) -> None:
        for name in _views_of(relationship):
            admit(self._access[name], self._identity)


def _views_of(relationship: Relationship) -> list[str]:
    through = relationship.through
    return [relationship.target.name, *([] if through is None else [through.source.name])]
