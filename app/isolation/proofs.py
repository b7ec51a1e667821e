"""The isolation proof that is under way in this process, or was the last one: how far it is, and what came of it."""

from datetime import UTC, datetime
from typing import Any

from app.definitions.project import Project
from app.isolation import report
from app.isolation.callers import ProofAsked
from app.isolation.prove import Proof, Tally, prove


class Proofs:
    """Proves, and says meanwhile how far it is. What came of the last one stays, even if who asked for it is gone."""

    def __init__(self) -> None:
        """Begin with none."""
        self._tally = Tally()
        self._started_at: datetime | None = None
        self._proof: Proof | None = None
        self._runs = False

    async def prove(self, url: str, project: Project, asked: ProofAsked) -> Proof:
        """Run a proof; raises what `prove` raises."""
        self._tally, self._started_at, self._proof, self._runs = Tally(), datetime.now(UTC), None, True
        try:
            self._proof = await prove(url, project, asked, self._tally)
        finally:
            self._runs = False
        return self._proof

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer; a proof that was refused is none."""
        return {
            "state": "running" if self._runs else "none" if self._proof is None else "done",
            "started_at": self._started_at,
            "done": self._tally.done,
            "known": self._tally.known,
            "report": None if self._proof is None else report.shown(self._proof),
        }
