"""What of the tests a system other than Linux cannot tell, by name, each with its reason: ``pytest -p left_out``.

`./run test windows` (Wine) and .github/workflows/agent.yml (Windows, macOS) run the whole suite with this plugin. Any
other skip counts as failed, and so does a name in here that no test has. On Linux nothing is left out.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import softhsm

LINUX, MACOS, WINDOWS, WINE = "Linux", "macOS", "Windows", "Wine"
#: On Windows: the tokens are those of fakep11.c. On macOS and Windows: OpenSC's pkcs11-spy is not installed.
MODEL, NO_SPY = "model library", "no pkcs11-spy"


class Reason(NamedTuple):
    """Why tests are left out, and where: at any of these."""

    text: str
    where: frozenset[str]


def _why(text: str, *where: str) -> Reason:
    return Reason(text, frozenset(where))


_SPY = _why("looks at the calls through OpenSC's pkcs11-spy, which is not here", NO_SPY)
_POSIX = _why("tests what only Linux and macOS have", WINDOWS)
_LINUX = _why("tests what only Linux has", WINDOWS, MACOS)
_KEYS = _why(
    "presses keys through X11 in the same process; integration/tests/windows presses them from outside", WINDOWS, MACOS
)
_BUILDS = _why(
    "builds the program for Linux; integration/tests/windows and the workflow build the others", WINDOWS, MACOS
)
_REPOSITORY = _why("reads the workflow and the names in here, which are the same everywhere", WINDOWS, MACOS)
_COMPILER = _why("compiles a library with the system's own compiler", WINDOWS)
_GNU = _why("links a library with options of GNU's linker", MACOS)
_NAMES = _why("has a file name that is not text, which the file system refuses", WINDOWS, MACOS)
_TRAY = _why("has a stand-in for pystray, which lacks the main thread that macOS wants of it", MACOS)
_SIGNALS = _why("Windows has no such signal; `ibhxh-agent stop` ends the program there (W22)", WINDOWS)
_XMLSEC = _why(
    "verifies with xmlsec1, which is not here; integration/tests/windows does with what Windows signed", WINDOWS
)
_PROC = _why("looks for children in /proc; integration/tests/windows looks for them from outside", WINDOWS, MACOS)
_INHERITED = _why("Windows hands no descriptor to a child; --pin-stdin is for it (W25)", WINDOWS)
_TERMINAL = _why("types into a terminal of Linux; Windows has none that a test can hold", WINDOWS)
_SCRIPT = _why(
    "has a shell script stand in for the child for other machines, and changes the head of an ELF library",
    WINDOWS,
    MACOS,
)
_ACCOUNT = _why("takes the right to read away by a file's mode, which Windows does not have", WINDOWS)
_ASKS = _why("a window can always be shown there, so there is always a way to ask", WINDOWS, MACOS)
_ONE = _why("needs two certificates on one token; the model library has one", MODEL)
_PIPE = _why("on Wine 8 an empty message in a named pipe never arrives, and the reader waits for ever", WINE)
_TLS = _why("Wine's crypt32 accepts a certificate whose issuer is unknown: C14 of docs/windows-checklist.md", WINE)

#: Files that are not collected.
FILES = {
    "test_window.py": _KEYS,
    "test_program.py": _KEYS,
    "test_packaging.py": _BUILDS,
    "test_workflow.py": _REPOSITORY,
}
#: Tests, by file and name, without parameters where all of them are meant.
TESTS = {
    "test_batch.py::test_what_a_batch_signed_is_accepted_by_another_implementation": _XMLSEC,
    "test_activation.py::test_nonsense_is_no_message_and_ends_nothing[]": _PIPE,
    "test_client.py::test_an_untrusted_tls_certificate_is_refused_in_words": _TLS,
    "test_discovery.py::test_a_pipe_that_is_named_like_a_library_is_not_waited_for": _POSIX,
    "test_discovery.py::test_linux_modules_registered_with_p11_kit_are_found": _POSIX,
    "test_discovery.py::test_t11_a_module_of_p11_kit_without_a_folder_is_in_the_one_for_modules": _POSIX,
    "test_discovery.py::test_a_folder_or_file_of_the_user_is_looked_at_once": _COMPILER,
    "test_discovery.py::test_a_driver_for_another_machine_is_loaded_by_its_own_child": _SCRIPT,
    "test_discovery.py::test_a_library_of_the_program_s_own_machine_goes_before_its_twin": _SCRIPT,
    "test_discovery.py::test_h9_one_unreadable_folder_of_a_vendor_hides_no_other_token": _ACCOUNT,
    "test_discovery.py::test_h9_nor_does_one_that_the_person_added_and_it_is_named": _ACCOUNT,
    "test_discovery.py::test_h9_nor_does_the_folder_of_a_provider": _ACCOUNT,
    "test_discovery.py::test_h9_nor_does_anything_else_that_cannot_be_read": _ACCOUNT,
    "test_doctor.py::test_without_any_way_to_ask_it_says_so": _ASKS,
    "test_system.py::test_the_way_fits_the_system": _POSIX,
    "test_system.py::test_the_tray_shows_the_state_and_offers_what_the_program_does": _TRAY,
    "test_system.py::test_w3_trouble_of_a_desktop_with_its_icon_never_ends_the_program": _TRAY,
    "test_system.py::test_w3_an_error_beside_the_icon_reaches_the_caller": _TRAY,
    "test_system.py::test_the_icon_on_a_real_x11_shows_vietnamese_without_harm": _LINUX,
    "test_system.py::test_a_notification_of_a_desktop_is_clicked": _LINUX,
    "test_runner.py::test_sigterm_ends_it_cleanly": _SIGNALS,
    "test_secrets.py::test_the_pin_is_not_in_the_environment_or_command_line_of_any_process": _LINUX,
    "test_secrets.py::test_core_dumps_are_off_in_agent_and_children": _LINUX,
    "test_secrets.py::test_the_pin_is_read_from_the_descriptor_up_to_the_line_end": _INHERITED,
    "test_tokens.py::test_two_tokens_in_two_slots": _ONE,
    "test_tokens.py::test_the_same_certificate_through_two_libraries_counts_once": _SPY,
    "test_tokens.py::test_a_login_happens_only_on_the_token_with_the_certificate": _SPY,
    "test_end_to_end.py::test_a_request_is_signed_and_delivered": _XMLSEC,
    "test_hostile_server.py::test_s11_a_false_server_cannot_paint_over_the_question": _TERMINAL,
    "test_kill.py::test_its_child_is_killed_before_the_login": _PROC,
    "test_kill.py::test_the_children_end_with_the_agent": _PROC,
    "test_drivers.py::test_t11_what_a_library_lacks_is_named": _GNU,
    "test_drivers.py::test_t11_a_pipe_that_is_named_as_library_is_refused_at_once": _POSIX,
    "test_drivers.py::test_t11_a_path_that_is_not_text_is_loaded": _NAMES,
    "test_end_to_end.py::test_a_wrong_pin_reaches_the_token_exactly_once": _SPY,
}
_used: set[str] = set()


def here() -> frozenset[str]:
    """What this system is, and what it lacks."""
    if sys.platform == "win32":
        facts = {WINDOWS}
        if hasattr(ctypes.WinDLL("ntdll"), "wine_get_version"):
            facts.add(WINE)
    else:
        facts = {MACOS if sys.platform == "darwin" else LINUX}
    if softhsm.MODEL:
        facts.add(MODEL)
    if not softhsm.SPY:
        facts.add(NO_SPY)
    return frozenset(facts)


def reason(name: str) -> str:
    """Why this file or test is left out here; empty = it is not."""
    found = FILES.get(name) or TESTS.get(name)
    return found.text if found and found.where & _HERE else ""


_HERE = here()


def pytest_configure() -> None:
    """On Wine 8, Tcl now and then reads nothing from the first of its own files, once in some hundred windows."""
    if WINE in _HERE:
        import tkinter

        make = tkinter.Tk.__init__

        def make_or_try_again(self: tkinter.Tk, *given: Any, **named: Any) -> None:
            try:
                make(self, *given, **named)
            except tkinter.TclError as error:
                if "init.tcl" not in str(error):
                    raise
                make(self, *given, **named)

        tkinter.Tk.__init__ = make_or_try_again


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files."""
    if reason(collection_path.name):
        _used.add(collection_path.name)
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests. A name that no test has would hide nothing any more."""
    for item in items:
        for name in _names(item):
            if reason(name):
                _used.add(name)
                item.add_marker(pytest.mark.skip(reason=reason(name)))
    unknown = {name for name in (*FILES, *TESTS) if reason(name)} - _used if config.args == ["tests"] else set()
    if unknown:
        raise pytest.UsageError(f"left_out.py names what is not there: {', '.join(sorted(unknown))}")


def _names(item: pytest.Item) -> set[str]:
    """With and without parameters."""
    return {f"{item.path.name}::{name}" for name in (item.name, getattr(item, "originalname", item.name))}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip that is not in the table counts as failed."""
    report = yield
    if report.skipped and not any(reason(name) for name in _names(item)):
        report.outcome = "failed"
    return report
