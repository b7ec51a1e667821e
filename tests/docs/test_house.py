"""The plan of the rooms: what docs say of it is what stands, and names mean one thing."""

import re
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
FILES = sorted(APP.rglob("*.py"))


def layers() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found: list[str] = next(one["layers"] for one in contracts if one["type"] == "layers")
    return found


def test_the_docs_show_the_layers_of_the_contract() -> None:
    said = (ROOT / "docs" / "architecture.md").read_text()
    shown = re.findall(r"^    (.+)$", said.split("## A walk")[0], re.MULTILINE)
    assert shown == layers()
    assert len(shown) <= 16


def test_every_room_stands_in_the_code_map() -> None:
    said = set(re.findall(r"`app/(\w+)/`", (ROOT / "docs" / "architecture.md").read_text()))
    assert said == {one.name for one in APP.iterdir() if (one / "__init__.py").is_file()}


def test_every_file_that_the_docs_name_is_there() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name
        for one in documents
        for name in re.findall(r"`((?:app|tests|examples|benchmarks)/[\w./]+)`", one.read_text())
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_file_that_the_code_map_names_in_a_room_stands_there() -> None:
    said = (ROOT / "docs" / "architecture.md").read_text().split("## The folders")[1]
    rooms = [(found[1], text) for text in said.split("\n\n") if (found := re.match(r"`app/(\w+)/`", text)) is not None]
    named = [(room, name) for room, text in rooms for name in re.findall(r"`((?:\w+/)*\w+\.py)`", text)]
    assert named
    assert [one for one in named if not (APP / one[0] / one[1]).exists() and not (ROOT / one[1]).exists()] == []


def test_few_files_stand_at_the_root() -> None:
    assert len(list(APP.glob("*.py"))) <= 8


def test_no_file_name_stands_three_times() -> None:
    names = Counter(one.name for one in FILES if one.name != "__init__.py")
    assert [name for name, times in names.items() if times > 2] == []


def test_no_class_name_stands_twice() -> None:
    places = defaultdict[str, list[str]](list)
    for file in FILES:
        for name in re.findall(r"^class (\w+)", file.read_text(), re.MULTILINE):
            places[name].append(str(file.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_what_make_is_said_to_make_it_makes() -> None:
    text = (ROOT / "Makefile").read_text()
    said = set(re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", text, re.MULTILINE)[1].replace("\\", "").split())  # type: ignore[index]
    assert said == set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    by_hand = [*(ROOT / "docs").glob("**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    told = {one for page in by_hand for one in re.findall(r"`make ([a-z-]+)`", page.read_text())}
    assert told <= said


def test_a_check_that_is_switched_off_says_why() -> None:
    """On its own line, or in a comment that begins the lines without a gap that it stands in."""
    bare = re.compile(r"# (?:noqa: [A-Z0-9, ]+|type: ignore\[[a-z, -]+\])$")
    silent = []
    for path in FILES:
        said = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            said = line.lstrip().startswith("# ") or (said and "import " in line)
            if bare.search(line) and not said:
                silent.append(f"{path.relative_to(ROOT)}:{number}")
    assert silent == []
