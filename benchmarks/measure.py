"""Two ways of doing the same thing, timed against each other in one process, and a table of the results."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One comparison.

    Attributes:
        what: What was done.
        ours: Median seconds of tfvision.
        other: Median seconds of the other way.
        ratio: How many times as fast ours is: the median of `other / ours` over the rounds.
    """

    what: str
    ours: float
    other: float
    ratio: float


def paired(
    name: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> Row:
    """Time two callables in alternation, so that both meet the same load on the machine.

    Args:
        name: What they do.
        ours: Does it once, to the end.
        other: The same, the other way.
        rounds: How often each is timed, after one round that does not count.
        clock: What is read before and after: wall time, or `time.process_time` for CPU time.

    Returns:
        Medians of the times in seconds and of their ratio.
    """
    ours(), other()
    pairs = []
    for number in range(rounds):
        order = (ours, other) if number % 2 == 0 else (other, ours)  # neither always goes first
        seconds = {call: _seconds(call, clock) for call in order}
        pairs.append((seconds[ours], seconds[other]))
    return Row(
        name,
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def print_table(rows: Sequence[Row], units: Callable[[float], str] = "{:.3f} s".format) -> None:
    """Print comparisons as aligned columns.

    Args:
        rows: What `paired` returned.
        units: Formats seconds in the unit a reader wants, such as images per second.
    """
    table = [("what", "ours", "other", "ratio")]
    table += [(row.what, units(row.ours), units(row.other), f"{row.ratio:.2f}x") for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    for line in table:
        cells = [line[0].ljust(widths[0])]
        print("  ".join(cells + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]))


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start
