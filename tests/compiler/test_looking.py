"""What only looks at definitions finds what serving them finds, and leaves nothing that is served otherwise."""

from pathlib import Path

import pytest

from app.changes.files import examples, load_file
from app.compiler.check import check_document
from app.relations.memory import Memory
from app.review.doubts import access_matrix


@pytest.mark.parametrize("path", examples().values(), ids=lambda path: path.stem)
def test_who_only_looks_finds_the_same(path: Path) -> None:
    document, looking, serving = load_file(path), Memory(is_served=False), Memory()
    seen, found = check_document(document, looking)
    served, also_found = check_document(document, serving)
    assert seen is not None
    assert served is not None
    assert found == also_found
    assert (seen.project, seen.secrets, seen.written_out) == (served.project, served.secrets, served.written_out)
    assert access_matrix(seen.project, looking) == access_matrix(served.project, serving)


def test_steps_are_sent_as_one_statement_only_where_they_are_served() -> None:
    document = load_file(examples()["documents"])
    plans = {}
    for is_served in (False, True):
        checked, _ = check_document(document, Memory(is_served=is_served))
        assert checked is not None
        assert checked.runtime is not None
        plans[is_served] = {name: one.plan for name, one in checked.runtime.endpoints.items()}
    assert plans[False].keys() == plans[True].keys()
    assert plans[False] != plans[True]
