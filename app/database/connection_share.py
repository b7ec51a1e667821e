"""For how long one endpoint or view holds its connections: what it may take, and how long its line is, go by that."""

from app.database.lending import Within
from app.shares import Share, may_take_one_more

SLOW_SECONDS = 0.5
KNOWN = 8  # connections given back, from which on their average says something
LEAST_SECONDS = 0.0001  # what is usual grows by, however quick it was
HEAVY_SECONDS = 2 * SLOW_SECONDS  # so that a share is slow of which half the answers are large


class ConnectionShare(Share):
    """The connections of one endpoint or view, and for how long it holds one on the average.

    It counts as slow until it has been seen to be quick. `usual` is what a line of waiters is reckoned by: the average
    too, but one long turn of the loop, which all that are out then seem to have held theirs for, changes it little.
    """

    __slots__ = ("name", "returned", "seconds", "usual", "within")

    def __init__(self, name: object = None, within: "ConnectionShare | None" = None) -> None:
        """Hold nothing yet; a share `within` another one is a borrower's of those that it has."""
        super().__init__()
        self.name, self.within = name, within
        self.seconds = SLOW_SECONDS
        self.usual = 0.0
        self.returned = 0  # connections given back

    def has_room(self, left: int) -> bool:
        """Say whether it may take one more, which leaves so many of the pool.

        Of a share that it is within, as of the pool if it is slow: as many as the others can still take then.
        """
        if self.within is None:
            return self.held <= left if self.is_slow else may_take_one_more(self, left)
        return self.within.held <= left and self.held <= (left - self.within.held) // 2

    def hold(self, more: int) -> None:
        """Count so many more that it holds, or fewer."""
        self.held += more
        if self.within is not None:
            self.within.held += more

    @property
    def is_slow(self) -> bool:
        """Say whether it holds its connections so long that it gets fewer of them."""
        return self.seconds >= SLOW_SECONDS

    def note(self, seconds: float) -> None:
        """Learn from a connection that comes back after so long."""
        self.seconds += (seconds - self.seconds) / KNOWN
        at_most = 2 * self.usual + LEAST_SECONDS if self.returned else seconds
        self.usual += (min(seconds, at_most) - self.usual) / (KNOWN if self.returned else 1)
        self.returned += 1


def new_share(shares: dict[object, ConnectionShare], name: object) -> ConnectionShare:
    """Make the share of a name, and the one that it is `Within`, if there is none yet."""
    within = None
    if isinstance(name, Within):
        within = shares.get(name.share) or new_share(shares, name.share)
    share = shares[name] = ConnectionShare(name, within)
    return share


def forget_unused(shares: dict[object, ConnectionShare], share: ConnectionShare) -> None:
    """Forget a borrower's share that nobody has any more: there may be as many as callers, and more come."""
    if share.within is not None and not share.held and not share.waiters:
        shares.pop(share.name, None)
