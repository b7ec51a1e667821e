"""Measures the rule language beside the packages `common-expression-language` (Rust) and `cel-python`, in one run."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import celpy
from celpy.adapter import json_to_cel

from app.expressions.check import Scope, check
from app.expressions.evaluate import compile_value
from app.expressions.types import STRING, UUID, ListOf, Record

RULE = 'document.owner_user_id == auth.user.id || "support" in auth.user.roles'
USER = Record("auth.user", {"id": UUID, "roles": ListOf(STRING)})
SCOPE = Scope({"document": Record("documents", {"owner_user_id": UUID}), "auth": Record("auth", {"user": USER})})
VALUES: dict[str, Any] = {
    "document": {"owner_user_id": "018f0000-0000-7000-8000-00000000000a"},
    "auth": {"user": {"id": "018f0000-0000-7000-8000-00000000000b", "roles": ["author", "support"]}},
}
RULES = [f"{RULE} || document.owner_user_id in [auth.user.id] && {n} > 1" for n in range(1_000)]


def microseconds(run: Callable[[], Any], seconds: float = 0.5) -> float:
    """Give the best of five rounds' time for one run."""
    rounds, best = 1, float("inf")
    while True:
        started = time.perf_counter()
        for _ in range(rounds):
            run()
        spent = time.perf_counter() - started
        if spent > seconds / 5:
            break
        rounds *= 2
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(rounds):
            run()
        best = min(best, (time.perf_counter() - started) / rounds)
    return best * 1e6


def rowgate() -> tuple[Callable[[], Any], Callable[[str], Any]]:
    """Give the typical rule, ready, and what a check of a text is."""
    compiled = compile_value(check(RULE, SCOPE))
    return (lambda: compiled(VALUES)), lambda text: check(text, SCOPE)


def cel_python() -> tuple[Callable[[], Any], Callable[[str], Any]]:
    """Give the same of `cel-python`, which checks no types."""
    environment = celpy.Environment()
    program = environment.program(environment.compile(RULE))
    values = {name: json_to_cel(value) for name, value in VALUES.items()}
    return (lambda: program.evaluate(values)), environment.compile


def common_expression_language() -> tuple[Callable[[], Any], Callable[[str], Any]] | None:
    """Give the same of `common-expression-language`, if it is installed; it checks no types."""
    try:
        import cel  # noqa: PLC0415 - installed for this benchmark alone
    except ImportError:
        return None
    program = cel.compile(RULE)
    context = cel.Context(VALUES)
    return (lambda: program.execute(context)), cel.compile


def main() -> None:
    """Print a table, and JSON behind `--json`."""
    contestants = {
        "rowgate": rowgate(),
        "common-expression-language": common_expression_language(),
        "cel-python": cel_python(),
    }
    results = {}
    for name, contestant in contestants.items():
        if contestant is None:
            print(f"{name}: not installed", file=sys.stderr)
            continue
        run, compile_text = contestant
        if run() not in (True, celpy.celtypes.BoolType(True)):
            sys.exit(f"{name} gives another answer")
        started = time.perf_counter()
        for text in RULES:
            compile_text(text)
        results[name] = {"rule_us": microseconds(run), "thousand_checks_s": time.perf_counter() - started}
    own = results["rowgate"]
    if "--json" in sys.argv:
        print(json.dumps(results, indent=2))
        return
    print(f"{'':28} {'one rule, µs':>14} {'':>8} {'1,000 checks, s':>16}")
    for name, found in results.items():
        times = found["rule_us"] / own["rule_us"]
        print(f"{name:28} {found['rule_us']:14.2f} {times:7.1f}x {found['thousand_checks_s']:16.2f}")


if __name__ == "__main__":
    main()
