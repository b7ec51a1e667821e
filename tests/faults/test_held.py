"""The table of `make soak`, and that it fails where something didn't hold."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.database.pool import connect
from tests.faults import soak
from tests.faults.held import Held, spread, table
from tests.faults.kills import Ledger, judged

LOST, KEPT = Held("a", "nothing is lost", False, "1 lost"), Held("b", "one effect", True, "0 twice")


def test_what_did_not_hold_is_seen_in_the_table() -> None:
    told = table([LOST, KEPT]).splitlines()
    assert told[1].split() == ["FAILED", "a", "nothing", "is", "lost", "1", "lost"]
    assert told[2].startswith("ok")
    assert told[-1] == "1 held, 1 failed"
    assert spread([]) == "none measured"


class Standing:
    """Stands in for a Postgres."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def start(self, _place: Path) -> "Standing":
        return self

    async def stop(self) -> None:
        self.did.append("stop")

    async def again(self) -> None:
        self.did.append("again")


@pytest.mark.parametrize(("held", "code"), [([KEPT], 0), ([LOST, KEPT], 1), (None, 1)], ids=str)
def test_it_ends_with_1_unless_all_of_it_held(
    held: list[Held] | None, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fault(*_: Any) -> list[Held]:
        if held is None:
            raise RuntimeError("the server has ended")
        return held

    standing = Standing()
    monkeypatch.setattr(soak, "Postgres", standing)
    monkeypatch.setattr(soak, "FAULTS", {"one": fault})
    monkeypatch.setattr(sys, "argv", ["soak", "--seed", "2"])
    assert soak.main() == code
    said = capsys.readouterr().out
    assert ("the server has ended" in said) is (held is None)
    assert ("The logs are in " in said) is bool(code)
    assert standing.did == (["stop", "again", "stop"] if held is None else ["stop"])


def test_faults_in_their_smallest_size_run_to_their_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--cuts", "2", "--revisions", "2", "--slow", "20"]
    monkeypatch.setattr(sys, "argv", ["soak", "commit", "revisions", *sizes])
    code = soak.main()
    said = capsys.readouterr().out
    assert code == 0, said
    assert {"2 commits cut", "2 revisions under load"} <= {
        line.split("  ")[1].strip() for line in said.splitlines()[1:-2]
    }


REF = "018f0000-0000-7000-8000-000000000001"
# What may go wrong, by the claim that fails then.
WRONG = {
    "what was acknowledged is there": "DELETE FROM data.children; DELETE FROM data.parents",
    "what was never sent isn't": "INSERT INTO data.parents (ref) SELECT gen_random_uuid();"
    " INSERT INTO data.children (parent) VALUES (2), (2), (2)",
    "what was refused isn't": "UPDATE data.parents SET ref = $refused",
    "each parent has three children": "DELETE FROM data.children WHERE id = 1",
    "a key has one effect": "INSERT INTO data.parents (ref) SELECT ref FROM data.parents;"
    " INSERT INTO data.children (parent) VALUES (2), (2), (2)",
    "no other answer than 201, 422, 503": "",
}
TABLES = """
CREATE SCHEMA data;
CREATE TABLE data.parents (id serial PRIMARY KEY, ref uuid);
CREATE TABLE data.children (id serial, parent int);
INSERT INTO data.parents (ref) VALUES ('018f0000-0000-7000-8000-000000000001');
INSERT INTO data.children (parent) VALUES (1), (1), (1);
"""


async def test_the_judgement_finds_what_was_lost_halved_doubled_or_made_up(
    fresh_database_url: str, tmp_path: Path
) -> None:
    refused = REF.replace("1", "2")
    connection = await connect(fresh_database_url)
    for claim, statement in {"": "", **WRONG}.items():
        await connection.execute(TABLES + statement.replace("$refused", f"'{refused}'"))
        with (tmp_path / "ledger").open("w") as file:
            ledger = Ledger(file)
            ledger.note("sent", REF, ledger.sent)
            ledger.note("sent", refused, ledger.sent)
            ledger.note("acked 422", refused, ledger.refused)
            if claim != "what was refused isn't":
                ledger.note("acked 201", REF, ledger.acked)
        odd = Counter({"500": 1} if "answer" in claim else {})
        failed = {one.claim for one in await judged("a fault", [ledger], odd, fresh_database_url) if not one.holds}
        # The Postgres of tests is one that doesn't wait for its disk.
        assert failed == {"the disk is waited for", *filter(None, [claim])}
        await connection.execute("DROP SCHEMA data CASCADE")
    await connection.close()
    assert (tmp_path / "ledger").read_text().splitlines()[0] == f"sent {REF}"
