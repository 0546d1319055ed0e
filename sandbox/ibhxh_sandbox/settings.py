"""What a test may set about the way this stand-in of VSS works."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass
class Settings:
    """Switches of the control API, kept in the data file."""

    processing_seconds: int = 0
    """Seconds (of the sandbox's clock) between taking a dossier in and deciding on it; 0 = at once."""
    ask_code_for_amend: bool = False
    """Whether forms 05 and 06 need an activation code as well."""
    code_seconds: int = 24 * 3600
    """Life of an activation code: 24 hours, as the user guide says."""

    def change(self, changes: dict[str, Any]) -> None:
        """Set some of the switches. Raises ValueError on an unknown name or a value of another type."""
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in changes.items():
            if type(value) is not known.get(name) or value < 0:
                raise ValueError(f"unknown setting or value: {name}")
        for name, value in changes.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """All switches by name."""
        return asdict(self)
