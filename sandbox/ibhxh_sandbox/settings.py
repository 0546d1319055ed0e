"""What a test may set about the way this stand-in of VSS works."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

CHOICES: dict[str, tuple[str, ...]] = {
    "edition": ("today", "seed"),
    "page_undefined": ("dossier", "none", "all"),
    "weather": ("foul", "fair"),
    "code_letters": ("mixed", "letters", "digits"),
    "code_layout": ("line", "groups", "cells"),
    "registered_code": ("CE006", "CE007", "IB16"),
    "elsewhere_code": ("SE006", "IC1", "CE007"),
    "notice_layout": ("signed_files", "signed_files_object", "template"),
    "remote_person": ("phone", "confirm", "refuse"),
    "remote_polled_by": ("transaction_id", "tran_code"),
    "remote_waiting": ("plain", "left", "code"),
    "remote_algorithms": ("both", "rsa", "sha256_with_rsa"),
    "remote_confirmation": ("app", "pin"),
}
"""The values that a setting of text may have; the first is the default."""


@dataclass
class Settings:
    """Switches of the control API and the command line, kept in the data file."""

    progress_of_many: bool = True
    """Whether the gateway answers about several dossiers in one call, which the contract leaves open."""
    progress_versions: bool = True
    """Whether answers have a version, so that one that is known already need not be given again."""
    processing_seconds: int = 0
    """Seconds (of the sandbox's clock) between taking a dossier in and deciding on it; 0 = at once."""
    ask_code_for_amend: bool = False
    """Whether forms 05 and 06 need an activation code as well."""
    code_seconds: int = 24 * 3600
    """Life of an activation code: 24 hours, as the user guide says."""
    edition: str = CHOICES["edition"][0]
    """Portal page and mails: as they are today, or as in the user guide of 2017 (domain.md §§1, 6)."""
    page_undefined: str = CHOICES["page_undefined"][0]
    """What today's page shows as the word `undefined`: nothing, number and time, or all four."""
    weather: str = CHOICES["weather"][0]
    """Whether VSS's other mails come as well, in any order and some of them late (domain.md §6)."""
    code_letters: str = CHOICES["code_letters"][0]
    """What new activation codes are made of; of ten upper-case letters and digits, 1 in 26 has letters only."""
    code_layout: str = CHOICES["code_layout"][0]
    """How today's mail shows the code: alone in its line, in groups, or in a table cell for each character."""
    registered_code: str = CHOICES["registered_code"][0]
    """VSS's code for a unit that this I-VAN has registered already (domain.md §5)."""
    elsewhere_code: str = CHOICES["elsewhere_code"][0]
    """VSS's code for a unit of another I-VAN; the portal's own units are always CE044."""
    notice_layout: str = CHOICES["notice_layout"][0]
    """How notifications are signed: as really signed files are (domain.md §3), or from xmlsec's template."""
    remote_seconds: int = 300
    """Seconds within which a person confirms on the phone."""
    remote_person: str = CHOICES["remote_person"][0]
    """Who decides: somebody on the phone's page, or everybody always confirms, or refuses."""
    remote_polled_by: str = CHOICES["remote_polled_by"][0]
    """The id by which a transaction of the shape of VNPT's is asked about: documents and clients disagree."""
    remote_waiting: str = CHOICES["remote_waiting"][0]
    """How waiting is said: without signatures, by the time that is left (VNPT), by a code of its own (CA2, CSC)."""
    remote_algorithms: str = CHOICES["remote_algorithms"][0]
    """What a CSC key says that it signs with."""
    remote_confirmation: str = CHOICES["remote_confirmation"][0]
    """What a CSC key asks for: the person's confirmation in the app, or a PIN that the client would have to send."""

    def change(self, changes: dict[str, Any]) -> None:
        """Set some of the switches. Raises ValueError on an unknown name or value."""
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in changes.items():
            allowed = CHOICES.get(name)
            fits = value in allowed if allowed else type(value) is known.get(name) and value >= 0
            if not fits:
                raise ValueError(f"unknown setting or value: {name}")
        for name, value in changes.items():
            setattr(self, name, value)

    @staticmethod
    def parse(assignment: str) -> dict[str, Any]:
        """The change that `NAME=VALUE` on the command line means. Raises ValueError."""
        name, _, text = assignment.partition("=")
        value: Any = text
        if name not in CHOICES:
            value = {"true": True, "false": False}.get(text)
            value = int(text) if value is None else value
        Settings().change({name: value})
        return {name: value}

    def as_json(self) -> dict[str, Any]:
        """All switches by name."""
        return asdict(self)
