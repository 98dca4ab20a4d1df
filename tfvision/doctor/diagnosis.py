"""A diagnosis: what was looked at, what was found, and the command that mends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tfvision.system.shown import Shown

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class HealthCheck:
    """One thing that was looked at.

    Attributes:
        topic: What it is about, such as `packages` or `memory`.
        says: What was found, one line.
        state: `wrong` stops a training; a `note` does not; `ok` is as it should be.
        remedy: The command that mends it, or brings what is not there; "" where there is none.
    """

    topic: str
    says: str
    state: State = "ok"
    remedy: str = ""

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        first = f"{self.state:<5}  {self.topic:<10}  {self.says}"
        return [first, f"{'':<19}$ {self.remedy}"] if self.remedy else [first]


@dataclass(frozen=True, repr=False)
class Diagnosis(Shown):
    """All that was looked at. A notebook shows it as a table.

    Attributes:
        checks: In the order in which they are shown.
        facts: Versions and figures by name, plain values for JSON.
    """

    checks: tuple[HealthCheck, ...]
    facts: Mapping[str, Any]

    drawn_by: ClassVar[str] = "diagnosis"

    @property
    def healthy(self) -> bool:
        """Whether nothing that was found stops a training."""
        return not self.faults

    @property
    def faults(self) -> tuple[HealthCheck, ...]:
        """What stops a training."""
        return tuple(check for check in self.checks if check.state == "wrong")

    @property
    def verdict(self) -> str:
        """What comes of it, one line."""
        notes = sum(check.state == "note" for check in self.checks)
        aside = f"; {notes} {'note' if notes == 1 else 'notes'}" if notes else ""
        if self.healthy:
            return f"nothing here stops a training{aside}"
        count = len(self.faults)
        return f"{count} {'fault stops' if count == 1 else 'faults stop'} a training{aside}"

    def lines(self) -> list[str]:
        """Return it as lines for a terminal, the verdict last."""
        return [*(line for check in self.checks for line in check.lines()), self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        return {"healthy": self.healthy, "checks": [vars(check) for check in self.checks], **self.facts}

    def __repr__(self) -> str:
        return "\n".join(self.lines())
