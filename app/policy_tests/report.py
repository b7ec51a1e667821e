"""A report of tests: as JSON, in lines for a reader, and as the XML that CI systems take."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from app.http.json_answer import to_json
from app.policy_tests.run import Report

Shown = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a suite; of one that failed the kind of its failure, a sentence, and all there is to say."""

    name: str
    milliseconds: float
    failed: str | None = None
    message: str = ""
    text: str = ""


def shown(report: Report) -> dict[str, Any]:
    """Give the members of a report as an answer shows it."""
    failed = len(report.failed)
    return {
        "passed": len(report.results) - failed,
        "failed": failed,
        "milliseconds": round(report.milliseconds, 2),
        "tests": [result.shown() for result in report.results],
        "coverage": report.coverage.shown(),
    }


def told(report: Shown) -> str:
    """Say it in lines: each test, of one that failed what came and why, and what no test has tried."""
    lines = []
    for test in report["tests"]:
        lines.append(f"{'ok  ' if test['passed'] else 'FAIL'}  {test['name']}")
        if not test["passed"]:
            lines += [f"      {line}" for line in why(test)]
    seconds = report["milliseconds"] / 1000
    count = len(report["tests"])
    lines.append(f"{count} test{'' if count == 1 else 's'}, {report['failed']} failed, in {seconds:.2f} s")
    return "\n".join([*lines, *_untried(report["coverage"]), *_unseen(report["coverage"]["rules"])])


def why(test: Shown) -> list[str]:
    """Say of a test that failed where it stands, what was expected and came, and which rules made it so."""
    lines = [test["place"]]
    for failure in test["failures"]:
        place = failure["place"].removeprefix(f"{test['place']}.")
        lines.append(f"{place}: expected {failure['expected']}, and came {failure['came']}")
    for step in test["let_by"]:
        lines += ["let by:", *entry_told(step)]
    if test["decided"] is not None:
        lines += ["decided by:", *entry_told(test["decided"])]
    return lines


def entry_told(entry: Shown) -> list[str]:
    """Say of a stage or a step of a trace where it is, what it decided, and what its rules saw."""
    where = f"{entry['step']} at {entry['place']}" if "step" in entry else f"the stage {entry['stage']}"
    refusal = entry.get("refusal")
    came = f"{entry['decision']} with {refusal['status']} {refusal['code']}" if refusal else entry["decision"]
    lines = [f"  {where}: {came}"]
    if "access" in entry:
        lines.append(f"    access: {_json(entry['access'])}")
    for rule in entry.get("rules", ()):
        lines.append(f"    {rule['field']}: {rule['text']}")
        lines += [f"      {path} = {_json(value)}" for path, value in rule["saw"].items()]
    if "rows_before_filter" in entry:
        before, after = entry["rows_before_filter"], entry["rows_after_filter"]
        lines.append(f"    rows before the filter: {before}, behind it: {after}")
    return lines


def _untried(coverage: Shown) -> list[str]:
    untried: Sequence[Shown] = coverage["untried"]
    if not untried:
        return [f"Everything is tried as everybody it tells apart: {coverage['of']} of {coverage['of']}."]
    lines = [f"Not tried yet, {len(untried)} of {coverage['of']}:"]
    for what, group in groupby(untried, key=lambda one: (one["kind"], one["name"], one["action"])):
        callers = ", ".join(one["caller"] for one in group)
        lines.append(f"  {' '.join(filter(None, what))}: {callers}")
    return lines


def _unseen(rules: Shown) -> list[str]:
    unseen: Sequence[Shown] = rules["untried"]
    if not rules["of"]:
        return []
    if not unseen:
        return [f"Every rule is seen true and false: {rules['of']} of {rules['of']}."]
    lines = [f"Of rules, no test would fail without these, {len(unseen)} of {rules['of']}:"]
    for name, group in groupby(unseen, key=lambda one: one["name"]):
        lines.append(f"  rule {name}: {', '.join(_json(one['value']) for one in group)}")
    return lines


def junit(report: Shown) -> str:
    """Write JUnit's XML: one suite, a case for each test."""
    return junit_of("rowgate.tests", report["milliseconds"], [_case(test) for test in report["tests"]])


def _case(test: Shown) -> Case:
    if test["passed"]:
        return Case(test["name"], test["milliseconds"])
    first = test["failures"][0]
    message = f"expected {first['expected']}, and came {first['came']}"
    return Case(test["name"], test["milliseconds"], "test.failed", message, "\n".join(why(test)))


def junit_of(name: str, milliseconds: float, cases: Sequence[Case]) -> str:
    """Write a suite of cases as JUnit's XML."""
    failed = sum(case.failed is not None for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0"}
    time = f"{milliseconds / 1000:.3f}"
    suites = Element("testsuites", {**counts, "time": time})
    suite = SubElement(suites, "testsuite", {"name": "rowgate", **counts, "skipped": "0", "time": time})
    for case in cases:
        said = {"classname": name, "name": case.name, "time": f"{case.milliseconds / 1000:.3f}"}
        element = SubElement(suite, "testcase", said)
        if case.failed is not None:
            failure = SubElement(element, "failure", {"type": case.failed, "message": _writable(case.message)})
            failure.text = _writable(case.text)
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=True)


def _writable(text: str) -> str:
    """Leave out what XML can't hold, which an answer may: characters that control, and halves of pairs."""
    return "".join(one for one in text if one in "\t\n" or " " <= one < "\ud800" or one > "\udfff")


def _json(value: Any) -> str:
    return to_json(value).decode()


def pretty(report: Shown) -> str:
    """Write a report as JSON for a program or a reader."""
    return json.dumps(json.loads(to_json(report)), indent=2)
