"""Disturb every verb that writes, go on, and compare with what nobody disturbed:

    python tests/kills.py --number 60                        SIGKILL
    python tests/kills.py --number 300 --fault interrupt     Ctrl-C and SIGTERM: 130 or 143, and a line that says how to go on
    python tests/kills.py --number 40 --fault full           a full disk: 4, and a line
    python tests/kills.py --number 60 --fault any            one of these

Half of the instants are drawn from the time that a verb takes, half are right before one of its changes on the disk: most
verbs write for a hundredth of their time.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import forked
from killed_verbs import VERBS, Place, Verb, cache, difference, make_place

from tfvision.errors import one_line
from tfvision.system import interruption
from tfvision.system.digests import DIGESTS

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@dataclass
class Outcome:
    """What came of the faults.

    Attributes:
        faults: Number of commands disturbed, by verb.
        escaped: Number that had ended before, by verb.
        where: Number by where they came to, where that is known.
        lost: What could not be finished, one line each.
        different: What ended otherwise than an undisturbed command, one line each.
        wrong: What was said, left or returned wrongly, one line each.
    """

    faults: Counter = field(default_factory=Counter)
    escaped: Counter = field(default_factory=Counter)
    where: Counter = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.different or self.wrong)


@dataclass(frozen=True)
class Reference:
    """What a command leaves that nobody disturbs.

    Attributes:
        output: Where.
        seconds: How long it takes.
        changes: How many changes it makes on the disk, its cache included.
    """

    output: Path
    seconds: float
    changes: int


class Disturbed(NamedTuple):
    """A command that was disturbed.

    Attributes:
        came: Whether the fault came before its end.
        when: The instant, in words.
        where: Where it came to; "" if that is not known.
        wrong: What is wrong with how it ended; "" for nothing.
    """

    came: bool
    when: str
    where: str = ""
    wrong: str = ""


Fault = Callable[[Verb, list[object], Path, Reference, random.Random], Disturbed]


def disturb_verbs(
    folder: Path,
    number: int,
    fault: Fault,
    *,
    seed: int = 0,
    verbs: Sequence[str] = (),
    finish: int = 1,
    pictures: bool = False,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> Outcome:
    """Disturb so many commands, go on with them, and compare with undisturbed ones.

    Args:
        folder: An empty folder to work in.
        number: How many faults.
        fault: Disturbs a command.
        seed: Seed of the instants.
        verbs: Names of the verbs, in turn; all if empty.
        finish: One in so many is gone on with.
        pictures: Whether the pictures of runs are drawn.
        say: Called with a line about each.
    """
    forked.load(pictures=pictures)
    place, generator, found = make_place(folder), random.Random(seed), Outcome()
    chosen = [verb for verb in VERBS if not verbs or verb.name in verbs]
    references: dict[str, Reference] = {}
    trial = 0
    while found.faults.total() < number and trial < 5 * number:
        verb = chosen[trial % len(chosen)]
        if verb.name not in references:
            references[verb.name] = _undisturbed(verb, place)
        reference, output = references[verb.name], folder / "disturbed" / f"{trial} ü" / "out"
        cache(output.parent / "cache")
        verb.prepare(place, output)
        trial += 1
        done = fault(verb, verb.begin(place, output), output, reference, generator)
        if done.came and trial % 3 == 0 and not done.wrong:  # once more, what goes on with it
            done = fault(verb, verb.next_words(place, output), output, reference, generator)
        (found.faults if done.came else found.escaped)[verb.name] += 1
        found.where[done.where] += 1
        name = f"{verb.name} {trial}, {done.when} {done.where}"
        said = done.wrong
        if done.wrong:
            found.wrong.append(f"{name}: {done.wrong}")
        if trial % finish == 0:
            error = _finish(verb, place, output)
            if "exists already" in error and not difference(verb.result(reference.output), verb.result(output)):
                error = ""  # it was done already, and what is done is never overwritten
            if error:
                found.lost.append(f"{name}: {error}")
            elif differs := difference(verb.result(reference.output), verb.result(output)):
                found.different.append(f"{name}: {differs}")
            said = said or error or (differs and f"differs: {differs}") or "equal"
        say(f"{name}: {'' if done.came else 'ended before; '}{said or 'right'}")
    return found


def kill(verb: Verb, words: list[object], output: Path, reference: Reference, generator: random.Random) -> Disturbed:
    """Kill a command by SIGKILL."""
    delay, change = generator.uniform(0.0, 1.1 * reference.seconds), generator.randint(1, reference.changes)
    if generator.random() < 0.5:
        ended = forked.run(words, fault=forked.after(delay, signal.SIGKILL))
        when = f"killed after {delay:.1f} of {reference.seconds:.1f} s"
    else:
        ended = forked.run(words, inside=forked.kill_at_change(change, output.parent))
        when = f"killed at change {change} of {reference.changes}"
    came = ended.status == -signal.SIGKILL
    return Disturbed(came, when, wrong="" if came or not ended.status else ended.errors)


def interrupt(
    verb: Verb, words: list[object], output: Path, reference: Reference, generator: random.Random
) -> Disturbed:
    """Interrupt a command by Ctrl-C or SIGTERM: it is to end as such, and to say how to go on."""
    kind, delay = generator.choice(list(STATUS)), generator.uniform(0.0, reference.seconds)
    change = generator.randint(1, reference.changes) if generator.random() < 0.3 else 0

    def inside() -> None:
        _note_where(marks.fileno())
        if change:
            forked.on_changes(output.parent, lambda each: signal.raise_signal(kind) if each == change else None)()

    with tempfile.TemporaryFile() as marks:
        ended = forked.run(words, inside=inside, fault=(lambda pid: None) if change else forked.after(delay, kind))
        marks.seek(0)
        where = marks.read().decode()
    when = (
        f"{kind.name} at change {change}" if change else f"{kind.name} after {delay:.2f} of {reference.seconds:.2f} s"
    )
    return Disturbed(bool(where), when, where, _wrong_end(verb, output, ended, STATUS[kind], words) if where else "")


def fill_disk(
    verb: Verb, words: list[object], output: Path, reference: Reference, generator: random.Random
) -> Disturbed:
    """Let a command find the disk full: one line, and nothing half-written is left."""
    change, room = generator.randint(1, reference.changes), generator.choice((0, 0, 300, 3000))
    before = _files(output)
    ended = forked.run(words, inside=forked.fill_disk_at_change(change, output.parent, room))
    when = f"full at change {change} of {reference.changes}, {room} bytes"
    if ended.status == 0:  # what it still wrote is smaller
        return Disturbed(False, when)
    wrong = ""
    left = [name for name in _files(output) if Path(name).name.startswith(".") and Path(name).name != DIGESTS]
    if ended.status != 4 or ended.errors.count("\n") != 1 or "free some space" not in ended.errors:
        wrong = f"exit {ended.status}, said {ended.errors[-300:]!r}"
    elif left:
        wrong = f"left {left}"
    elif changed := [name for name, content in before.items() if _files(output).get(name) is None]:
        wrong = f"lost {changed}"
    return Disturbed(True, when, wrong=wrong)


def any_fault(
    verb: Verb, words: list[object], output: Path, reference: Reference, generator: random.Random
) -> Disturbed:
    """Disturb a command in one of the other ways."""
    return generator.choice((kill, interrupt, fill_disk))(verb, words, output, reference, generator)


FAULTS: dict[str, Fault] = {"kill": kill, "interrupt": interrupt, "full": fill_disk, "any": any_fault}


def _undisturbed(verb: Verb, place: Place) -> Reference:
    output = place.folder / "whole" / verb.name / "out"
    cache(output.parent / "cache")
    verb.prepare(place, output)
    with tempfile.TemporaryFile() as marks:
        note = forked.on_changes(output.parent, lambda number: os.write(marks.fileno(), b"."))
        ended = forked.run(verb.begin(place, output), inside=note)
        changes = marks.seek(0, os.SEEK_END)
    assert ended.status == 0, f"{verb.name}: {ended.errors}"
    return Reference(output, ended.seconds, changes)


def _finish(verb: Verb, place: Place, output: Path) -> str:
    """Go on until the command is done; return what went wrong."""
    ended = forked.run(verb.next_words(place, output))
    return f"exit {ended.status}: {one_line(RuntimeError(ended.errors), 300)}" if ended.status else ""


def _note_where(marks: int) -> None:
    """Let a child write down the innermost module of tfvision, and the function, that a signal comes to."""
    real = interruption._interrupt

    def noted(number: int, frame: FrameType | None) -> None:
        ours = frame
        while ours is not None and not str(ours.f_globals.get("__name__")).startswith("tfvision"):
            ours = ours.f_back
        if frame is not None:
            place = ours.f_globals["__name__"] if ours is not None else "none"
            os.write(marks, f"in {place}: {frame.f_globals.get('__name__')}.{frame.f_code.co_name} ".encode())
        real(number, frame)

    interruption._interrupt = noted


def _wrong_end(verb: Verb, output: Path, ended: forked.Ended, status: int, words: list[object]) -> str:
    """Say what is wrong with the end of an interrupted command."""
    if ended.status != status:
        return f"exit {ended.status} in place of {status}, said {ended.errors[-300:]!r}"
    if ended.errors.count("\n") != 1 or not ended.errors.startswith("tfvision: interrupted"):
        return f"said {ended.errors[-300:]!r}"
    resumes = "--resume" in words
    if verb.go_on and output.is_dir() and not resumes:
        right = "--resume" in ended.errors and str(output) in ended.errors
    else:
        right = interruption.AGAIN in ended.errors or (resumes and "--resume" in ended.errors)
    return "" if right else f"said the wrong way on: {ended.errors!r}"


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.parent.glob("out/**/*") if path.is_file()}


def main() -> int:
    """Print the outcome; 1 if anything was lost, differs or was said wrongly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=60, help="of faults")
    parser.add_argument("--fault", choices=FAULTS, default="kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", nargs="*", default=(), help=", ".join(verb.name for verb in VERBS))
    parser.add_argument("--finish", type=int, default=1, help="go on with one in so many")
    parser.add_argument("--pictures", action="store_true", help="draw the pictures of runs, too")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = {"seed": args.seed, "verbs": args.verbs, "finish": args.finish, "pictures": args.pictures}
        found = disturb_verbs(Path(folder), args.number, FAULTS[args.fault], **options)
    if args.json:
        print(json.dumps(vars(found)))
    else:
        by_verb = ", ".join(f"{verb} {count}" for verb, count in found.faults.items())
        print(f"{found.faults.total()} faults ({by_verb}), {found.escaped.total()} commands had ended before")
        print(f"{len(found.lost)} lost, {len(found.different)} different, {len(found.wrong)} wrong")
        print("\n".join(found.lost + found.different + found.wrong))
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
