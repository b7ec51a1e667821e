"""What a run of the benchmarks has measured, as a table of Markdown and as a plot in SVG, written into docs/."""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PAGE, PLOT = DOCS / "benchmarks.md", DOCS / "benchmarks.svg"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
Medians = Mapping[str, Mapping[str, Mapping[str, float]]]
_COLOURS = {"rowgate": "#2563eb", "ceiling": "#111827", "asyncpg": "#9ca3af", "sqlmodel": "#d1d5db"}
_NAMES = {
    "rowgate": "Rowgate",
    "ceiling": "raw ASGI + asyncpg",
    "asyncpg": "FastAPI + asyncpg",
    "sqlmodel": "FastAPI + SQLModel",
}
_COLUMNS = (
    "work", "server", "requests a second", "p50, ms", "p99, ms", "CPU of the server, µs a request",
    "Rowgate's throughput to its", "Rowgate's CPU to its",
)  # fmt: skip
_WIDTH, _LABEL, _BAR, _GAP = 760, 210, 16, 26


def write(medians: Medians) -> None:
    """Write the plot, and the table into its place in the page."""
    PLOT.write_text(plot(medians))
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(medians)}\n{END}{after}")


def table(medians: Medians) -> str:
    """Give a row for each work and contestant: Rowgate's figures beside it are ratios of the same run."""
    machine = (
        f"Python {platform.python_version()} on {os.cpu_count()} processors ({platform.machine()});"
        f" the load average of the last quarter of an hour was {os.getloadavg()[2]:.1f}, the run's own included."
    )
    lines = [machine, "", _row(_COLUMNS), _row("---" for _ in _COLUMNS)]
    for work, by in medians.items():
        own = by["rowgate"]
        for name, one in by.items():
            ratios = ("", "") if one is own else (f"{own['rps'] / one['rps']:.2f}", f"{own['cpu'] / one['cpu']:.2f}")
            figures = (f"{one['rps']:,.0f}", f"{one['p50']:.2f}", f"{one['p99']:.2f}", f"{one['cpu']:.0f}")
            lines.append(_row((work, _NAMES[name], *figures, *ratios)))
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plot(medians: Medians) -> str:
    """Draw a bar for each contestant of each work: CPU of the server for a request, to the ceiling's."""
    bars = list(_bars(medians))
    height = max(y for _, y in bars) + 2 * _GAP
    drawn = "\n".join(text for text, _ in bars)
    title = "CPU of the server for a request, to that of raw ASGI and asyncpg: shorter is better"
    around = f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12"'
    ground = f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    heading = f'<text x="8" y="20" font-size="14">{title}</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {around}>\n{ground}\n{heading}\n{drawn}\n</svg>\n'


def _bars(medians: Medians) -> Iterator[tuple[str, int]]:
    unit = _unit(medians)
    longest = max(one["cpu"] / unit[work] for work, by in medians.items() for one in by.values())
    y = 2 * _GAP
    for work, by in medians.items():
        yield f'<text x="8" y="{y}" font-weight="bold">{work}</text>', y
        for name, one in sorted(by.items(), key=lambda found: found[1]["cpu"]):
            y += _BAR + 4
            times = one["cpu"] / unit[work]
            length = max(2, round(times / longest * (_WIDTH - _LABEL - 70)))
            bar = f'<rect x="{_LABEL}" y="{y - _BAR + 4}" width="{length}" height="{_BAR}" fill="{_COLOURS[name]}"/>'
            said = f'<text x="{_LABEL + length + 6}" y="{y}">{times:.1f} ×</text>'
            yield f'<text x="24" y="{y}">{_NAMES[name]}</text>{bar}{said}', y
        y += _GAP + 4


def _unit(medians: Medians) -> Mapping[str, float]:
    return {work: by.get("ceiling", by["rowgate"])["cpu"] for work, by in medians.items()}
