"""Lifecycles: a table of allowed moves beside each status, and one guarded UPDATE that makes a move.

Of two racing workers the database lets one win; the other gets TransitionRefused.
"""

from typing import ClassVar

from django.utils import timezone


class TransitionRefused(Exception):
    """The row was no longer in a status from which this move is allowed."""


class Transitions:
    """A model with a `status` that moves only along `TRANSITIONS` (`{from: {to, …}}`)."""

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {}

    @classmethod
    def sources_of(cls, to: str) -> list[str]:
        """The statuses from which `to` can be reached."""
        return [before for before, after in cls.TRANSITIONS.items() if to in after]

    def move(self, to: str, *, only_if: dict | None = None, **changes) -> None:
        """Set the status to `to` and the columns in `changes`, in one UPDATE guarded by the table.

        `only_if` adds conditions (a lease's fence, say). Raises TransitionRefused when the guard found no row; the row in
        memory is then unchanged.
        """
        written = self._columns(changes) | {"status": to}
        guard = {"pk": self.pk, "status__in": self.sources_of(to)} | (only_if or {})
        if type(self)._base_manager.filter(**guard).update(**written) != 1:
            raise TransitionRefused(f"{self._meta.label} is not in a status that can become {to}")
        self._remember(written)

    def amend(self, *, only_if: dict | None = None, **changes) -> bool:
        """Write columns without a change of status, guarded by `only_if`; False when the guard found no row."""
        written = self._columns(changes)
        changed = type(self)._base_manager.filter(pk=self.pk, **(only_if or {})).update(**written) == 1
        if changed:
            self._remember(written)
        return changed

    def _columns(self, changes: dict) -> dict:
        columns = dict(changes)
        for name, value in changes.items():
            field = self._meta.get_field(name)
            if hasattr(field, "sealed") and isinstance(value, str):
                scratch = type(self)(pk=self.pk)
                setattr(scratch, name, value)
                columns[name] = field.sealed(scratch)
        if any(field.name == "updated_at" for field in self._meta.fields):
            columns.setdefault("updated_at", timezone.now())
        return columns

    def _remember(self, written: dict) -> None:
        for name, value in written.items():
            setattr(self, name, value)


def mermaid(model: type[Transitions]) -> str:
    """The lifecycle as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2"]
    for before, afters in model.TRANSITIONS.items():
        lines += [f"    {before} --> {after}" for after in sorted(afters)]
    return "\n".join(lines)
