"""`./run i18n`: the addon's terms exported by Odoo's own command, and i18n/vi.po brought in line with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polib

from . import database, odoo
from .console import Problem, say
from .packaging.backend.addon_wheel import FILES, FOLDERS
from .paths import ADDON, ADDONS, ROOT

TEMPLATE = ROOT / "i18n" / f"{ADDON}.pot"
VIETNAMESE = ROOT / "i18n" / "vi.po"

SAME = "The same in Vietnamese."
"""Translator's comment on a term that needs no translation; Odoo and OCA want its `msgstr` empty."""


def run(arguments: list[str]) -> int:
    """Write i18n/l10n_vn_ibhxh.pot again and update vi.po: translations are kept, new terms come in empty, old ones go.

    :param arguments: optionally the name of a database in which the addon is installed from this very code; without it
        a fresh one is made for the purpose and dropped
    :return: 0 when everything is translated, else 1 with the terms that wait for a translator
    """
    if len(arguments) > 1:
        raise Problem("./run i18n takes at most the name of a database.", "./run i18n")
    if arguments:
        terms = _export(arguments[0])
    else:
        try:
            terms = _export(database.fresh("translations"))
        finally:
            database.drop("translations")
    _write(terms, TEMPLATE)
    untranslated = _update(terms)
    say(f"{len(terms)} terms, {len(untranslated)} without a translation in {VIETNAMESE.relative_to(ROOT)}")
    for entry in untranslated:
        say(f"  {entry.msgid}")
    return 1 if untranslated else 0


def _export(name: str) -> polib.POFile:
    """Return what `odoo i18n export` finds in the addon as it is installed in database `name`."""
    with _addons_folder() as addons:
        path = odoo.addons_path().replace(str(ADDONS), str(addons))
        config = odoo.write_config(name, path=addons / "odoo.conf", addons_path=path)
        file = addons / "terms.pot"
        if odoo.run("i18n", "export", "-c", str(config), "-d", name, "-l", "pot", "-o", str(file), ADDON):
            raise Problem("Odoo could not export the terms.", f"./run shell {name}")
        return polib.pofile(str(file))


@contextmanager
def _addons_folder() -> Iterator[Path]:
    """An addons folder with links to the addon's parts only.

    The exporter follows links, so that the usual folder would lead it round through .runtime for ever.
    """
    with tempfile.TemporaryDirectory() as folder:
        addon = Path(folder, ADDON)
        addon.mkdir()
        for name in (*FILES, *FOLDERS):
            if (ROOT / name).exists():
                addon.joinpath(name).symlink_to(ROOT / name)
        yield Path(folder)


def _update(terms: polib.POFile) -> list[polib.POEntry]:
    """Write vi.po with the terms of `terms` and the translations it has; return the entries that wait for one."""
    known = {entry.msgid: entry for entry in polib.pofile(str(VIETNAMESE))} if VIETNAMESE.exists() else {}
    for entry in terms:
        if before := known.get(entry.msgid):
            entry.msgstr, entry.flags, entry.tcomment = before.msgstr, before.flags, before.tcomment
        if entry.msgstr == entry.msgid:
            entry.msgstr, entry.tcomment = "", SAME
    terms.metadata |= {"Language": "vi", "Plural-Forms": "nplurals=1; plural=0;"}
    _write(terms, VIETNAMESE)
    return [entry for entry in terms if not entry.translated() and (entry.fuzzy or entry.tcomment != SAME)]


def _write(terms: polib.POFile, file: Path) -> None:
    """Write the file, unless it says the same already: the date alone is no change."""
    dates = ("POT-Creation-Date", "PO-Revision-Date")
    if file.exists():
        before = polib.pofile(str(file))
        now = {date: terms.metadata[date] for date in dates}
        terms.metadata |= {date: before.metadata.get(date, now[date]) for date in dates}
        if str(terms) == str(before):
            return
        terms.metadata |= now
    file.parent.mkdir(exist_ok=True)
    terms.save(str(file), newline="\n")
