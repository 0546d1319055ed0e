"""`./run bench [--short] [--long] [--only NAME…]`."""

from __future__ import annotations

import ast
import os
import statistics
import time
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest

from ..console import Problem, say
from ..paths import ROOT
from . import inside, kept, office, readers, screens, signing, verification
from .figures import Figure, busy, details, machine, table

DOCUMENT = ROOT / "docs" / "benchmarks.md"
SIZES = {"short": (100, 1_000), "normal": (1_000, 10_000), "long": (1_000, 10_000, 100_000)}
"""Numbers of registrations of the scheduled action."""

QUERIES = {"expiry": 78, "reminder": 39, "question": 26}
"""Most queries that 1 000 registrations more cost, by scene; what a run costs by itself has a line of its own.

Odoo writes 100 rows by one statement: 60 are six tables with a row of each registration (itself, its history that
nobody can change, message, tracking, activity, notification), 30 the last three, 10 the registration alone, to which
reading 2 000 at a time adds as many. A third is left for what depends on the machine: how many batches a run of ten
seconds has.
"""

STATEMENTS = 11
"""Most statements that a company of a batch costs from the batch's page to `sent`; how many receipts come at the same
time, and are stored by the same ones, is chance. 19.0.1.1.0 took 105."""
EARLIER = "19.0.1.1.0"
STEPS = ("prepared", "claimed", "delivered", "sent")
"""Registered on the batch's page, claimed by the computer, taken from it signed, handed to the gateway."""
HALF = 0.5

DECADE = 11
COMPANIES = {"short": 20, "normal": 1_000, "long": 1_000}
"""Of the office; a run without token and gateway has half as many."""
PIPELINE, SEVERAL = 1.1, 1.25
"""The whole ÷ the tokens' time, with one token and with several."""
FIRST = 3
"""Seconds from the click to the first signature."""
BY_HAND = {"short": 1, "normal": 9, "long": 9}
WINDOW, PIN_TO_SENT = 1, 2
"""Seconds."""
BUSY = 0.9
"""From this share of the processor on, more tokens do not help."""
TURNS = {"short": 1, "normal": 1, "long": 3}
"""How often each number of registrations has its turn, one after the other; the medians count."""
ONCE = 100_000
"""So many registrations have one turn only."""

SIZE, SHORT_SIZE = 5 * 2**20, 2**20
"""Bytes of the inputs that are made to be expensive."""
TOKEN_MS = 150
"""Milliseconds of a signature of the USB tokens that people have."""
SIGNING = 1.02
OWN_MS = 1
VERIFYING = 1.5
MATCHING = 1.5

FAR = {"short": (100, 1_000), "normal": (1_000, 10_000), "long": (10_000, 10_000)}
"""Numbers of registrations that a gateway far away is asked about: one by one, and many in one call."""
FAR_SECONDS = 0.2
AT_ONCE = 8
"""Calls at the same time, as an I-VAN has them unless another number was entered."""
LATER = 1.2
FOLLOWED_MS = 1.5

CHUNKS = (
    "Odoo writes 100 rows by one statement, so each table whose rows get values of their own costs 10 queries per "
    "1 000 records by itself. The rest is what each batch costs."
)
CHILD = (
    "The way to the child process, where the driver is kept so that a crash costs one request, and parsing, checking, "
    "canonicalising, verifying what came back and serialising, which are the same whatever the token. Without pauses, "
    "with a key in memory, the work takes 0.55 ms; what the pipe and caches that are cold after each pause take was "
    "not measured apart."
)
PIPELINE_CAUSE = (
    "See the table of the office below: what is not the tokens' time lies before the first signature, between the "
    "log-ins, or after the last signature."
)
SEVERAL_CAUSE = (
    "Sending comes after the signatures then (see “last signature” below): the 8 calls at the same time that an I-VAN "
    "gets, unless another number is entered, are 26 a second at 300 ms each, where three tokens make 20 signatures; "
    "and after each 48 dossiers what follows from their receipts is stored while no call is made."
)
ONE_BY_ONE = (
    "Of the processor's time, an HTTP call by requests and urllib3 takes 1.0 ms, the thread that ends it in time 0.25 "
    "and storing the answer 0.4. A gateway that answers about many in one call has one such call for 100 of them."
)
BY_HAND_CAUSE = (
    "The window is a process of its own, which loads Tk; what follows a signature is the work of the scheduler, which "
    "Odoo wakes."
)
FOLLOWED = {
    "expiry": "code expired",
    "reminder": "reminder due",
    "question": "gateway asked, nothing new",
}


def _registering(mode: str) -> list[Figure]:
    command = "./run bench --only registering"
    few, many = (20, 100) if mode == "short" else (100, 500)
    runs = [_registered(count) for count in (few, many)]
    queries = sum(runs[1][step]["queries"] - runs[0][step]["queries"] for step in STEPS) / (many - few)
    figures = [
        Figure(
            f"Batch, from its page to `sent`: statements for each further company, {few} to {many}",
            f"{queries:.1f}",
            f"≤ {STATEMENTS}",
            queries <= STATEMENTS,
            f"{command} --short" if mode == "short" else command,
            "Something is looked up, written or logged for each company by itself.",
            is_exact=True,
        )
    ]
    if mode == "short":
        return figures
    inside.prepare_release(EARLIER)
    try:
        before = _registered(many, EARLIER)
    finally:
        inside.clean_release(EARLIER)
    for unit, name, factor in (("statements", "queries", 1), ("ms of Odoo's processor time", "processor", 1000)):
        each, earlier = ({step: run[step][name] * factor / many for step in STEPS} for run in (runs[1], before))
        share = sum(each.values()) / sum(earlier.values())
        parts = ", ".join(f"{step} {earlier[step]:.1f} → {each[step]:.1f}" for step in STEPS)
        figures.append(
            Figure(
                f"Batch of {many}: {unit} for each company, {EARLIER} → now, in the same run",
                f"{sum(earlier.values()):.1f} → {sum(each.values()):.1f} ({parts})",
                "≤ half",
                share <= HALF,
                command,
                "See the steps.",
            )
        )
    return figures


def _registered(count: int, version: str = "") -> dict[str, dict[str, float]]:
    found = inside.run("registering", count, office.CERTIFICATE_COMPANIES, version=version)
    if found["left"] or found["made"] != count:
        raise Problem("Some companies of the batch were not registered.", "./run bench --only registering")
    return found


def _follow(mode: str) -> list[Figure]:
    sizes = SIZES[mode]
    command = f"./run bench --{mode} --only follow" if mode != "normal" else "./run bench --only follow"
    figures = []
    quiet = inside.run("follow", "quiet", sizes[-1])
    figures.append(
        Figure(
            f"Scheduled action, {sizes[-1]} open, nothing due: one run",
            f"{quiet['queries']} queries, {quiet['seconds']:.1f} s",
            command=command,
        )
    )
    figures += [
        _far(FAR[mode][offers_many], offers_many=bool(offers_many), command=command) for offers_many in range(2)
    ]
    for scene, name in FOLLOWED.items():
        turns = [
            [inside.run("follow", scene, size) for size in sizes if not turn or size < ONCE]
            for turn in range(TURNS[mode])
        ]
        if any(run["left"] for turn in turns for run in turn):
            raise Problem(f"The scheduled action left work undone in the scene {scene}.", f"{command}")
        runs = _medians(turns)
        # A run ends after 10 seconds, so how many there are depends on the machine; what each costs was measured above.
        net = [run["queries"] - run["runs"] * quiet["queries"] for run in runs]
        rates = [
            (later - earlier) * 1000 / (more - less)
            for (earlier, less), (later, more) in pairwise(zip(net, sizes, strict=True))
        ]
        what = f"Scheduled action, {name}"
        shown = " / ".join(map(str, sizes))
        figures.append(
            Figure(
                f"{what}: queries per further 1 000 records",
                " / ".join(f"{rate:.0f}" for rate in rates)
                + f" (in all {' / '.join(str(run['queries']) for run in runs)} with {shown}, of which "
                + f"{quiet['queries']} for each of {' / '.join(str(run['runs']) for run in runs)} runs)",
                f"≤ {QUERIES[scene]}",
                max(rates) <= QUERIES[scene],
                command,
                CHUNKS,
                is_exact=True,
            )
        )
        factors = [later["processor"] / earlier["processor"] for earlier, later in pairwise(runs)]
        figures.append(
            Figure(
                f"{what}: Odoo's processor time, with {shown}",
                " / ".join(f"{run['processor']:.1f} s" for run in runs)
                + f" (× {', × '.join(f'{factor:.1f}' for factor in factors)}); on the clock "
                + " / ".join(f"{run['seconds']:.1f} s" for run in runs),
                f"≤ × {DECADE} per decade",
                max(factors) <= DECADE,
                command,
                "In a run of tenths of a second each record costs a little less than in a long one; the cause was not "
                "found. From 10 000 on the time grows no faster than the number, as the queries do everywhere.",
            )
        )
    return figures


def _far(count: int, *, offers_many: bool, command: str) -> Figure:
    found = inside.run("follow", "question", count, FAR_SECONDS, offers_many)
    if found["left"]:
        raise Problem("The scheduled action left registrations that it had to ask about.", command)
    least = count * FAR_SECONDS / AT_ONCE
    each = found["processor"] * 1000 / count
    return Figure(
        f"Scheduled action, {count} asked about {'many in one call' if offers_many else 'one by one'}, gateway "
        f"{FAR_SECONDS} s, {AT_ONCE} calls at the same time: clock ÷ ({count} × {FAR_SECONDS} s "
        f"÷ {AT_ONCE}); Odoo's processor time for each",
        f"{found['seconds'] / least:.2f} ({found['seconds']:.1f} s ÷ {least:.0f} s); {each:.2f} ms",
        f"≤ {LATER}; ≤ {FOLLOWED_MS} ms",
        found["seconds"] <= LATER * least and each <= FOLLOWED_MS,
        command,
        ONE_BY_ONE,
    )


def _medians(turns: Sequence[Sequence[dict[str, float]]]) -> list[dict[str, float]]:
    """The median of each figure for each size, over the turns that went so far."""
    sizes = [[run for run in runs if run is not None] for runs in zip_longest(*turns)]
    return [{name: statistics.median_low(run[name] for run in runs) for name in runs[0]} for runs in sizes]


def _agent(mode: str) -> list[Figure]:
    command = "./run bench --only agent"
    found = signing.measure(20 if mode == "short" else 200, TOKEN_MS)
    return [
        Figure(
            f"Agent: whole signature ÷ the token's time, token {TOKEN_MS} ms, RSA 2048",
            f"{found['ratio']:.3f} ({found['whole'] / 1000:.1f} ms)",
            f"≤ {SIGNING}",
            found["ratio"] <= SIGNING,
            command,
            CHILD,
        ),
        Figure(
            "Agent: its own processor time per signature",
            f"{found['own'] / 1000:.2f} ms",
            f"≤ {OWN_MS} ms",
            found["own"] / 1000 <= OWN_MS,
            command,
            CHILD,
        ),
    ]


def _server(mode: str) -> list[Figure]:
    figures = []
    rounds = (300, 20) if mode == "short" else (3000, 100)
    for size, count in zip((0, 1_000_000), rounds, strict=True):
        found = verification.measure(size, count)
        figures.append(
            Figure(
                f"Server: verification with content check ÷ bare xmlsec, {found['bytes'] / 1000:.0f} kB",
                f"{found['ratio']:.2f} ({found['ours'] / 1000:.2f} ms)",
                f"≤ {VERIFYING}",
                found["ratio"] <= VERIFYING,
                "./run bench --only server",
                "By profile, more than half is reading both documents, the signed one and the one that was to be "
                "signed, with the checks against hostile input; a third is canonicalising them, which bare xmlsec does "
                "once.",
            )
        )
    return figures


def _mails(mode: str) -> list[Figure]:
    sizes = (100, 1_000) if mode == "short" else (100, 1_000, 10_000)
    mails, whole = {"short": (200, 20), "normal": (1_000, 100), "long": (10_000, 200)}[mode]
    command = "./run bench --only mails" if mode == "normal" else f"./run bench --{mode} --only mails"
    turns = [[inside.run("mails", size, mails, whole) for size in sizes] for _turn in range(TURNS[mode])]
    runs = _medians(turns)
    shown = " / ".join(map(str, sizes))
    reading = [run["read"] / 1000 for run in runs]
    matching = [run["match"] / 1000 for run in runs]
    entire = [run["whole"] / 1000 for run in runs]
    asking = [run["database"] / 1000 for run in runs]
    sums = [sum(parts) for parts in zip(reading, matching, asking, strict=True)]
    return [
        Figure(
            f"Mail: reading + matching (processor) + statements (clock), median of {mails}, {shown} registrations",
            " / ".join(f"{r:.1f} + {m:.1f} + {d:.1f} ms" for r, m, d in zip(reading, matching, asking, strict=True)),
            f"differ ≤ × {MATCHING}",
            max(sums) / min(sums) <= MATCHING,
            command,
            "Not known: the number of statements is the same (see the next line).",
        ),
        Figure(
            f"Mail: queries of one match, with {shown} registrations",
            " / ".join(f"{run['queries']:.0f}" for run in runs),
            "the same",
            len({run["queries"] for run in runs}) == 1,
            command,
            "A query depends on the number of registrations.",
            is_exact=True,
        ),
        Figure(
            f"Mail: taken in, applied and committed, median of {whole}, with {shown} registrations",
            " / ".join(f"{value:.0f} ms" for value in entire),
            command=command,
        ),
    ]


def _office(mode: str) -> list[Figure]:
    command = "./run bench --only office" if mode == "normal" else f"./run bench --{mode} --only office"
    count = COMPANIES[mode]
    one = office.Setting(count)
    settings = (
        [one]
        if mode == "short"
        else [
            one,
            replace(one, agents=3),
            replace(one, agents=3, calls=16),
            replace(one, count=count // 2, token_ms=0, gateway_ms=0),
        ]
    )
    figures = [figure for setting in settings for figure in _whole_way(setting, command)]
    figures += _by_hand(office.Setting(BY_HAND[mode], companies=1), command)
    # So few companies show that the programs work together, and nothing about how fast.
    return [replace(figure, bound="", met=None) for figure in figures] if mode == "short" else figures


def _by_hand(setting: office.Setting, command: str) -> list[Figure]:
    found = office.measure_by_hand(setting)
    others = (setting.token_ms + setting.gateway_ms) / 1000
    what = f"One registration by hand, median of {setting.count}, token {setting.token_ms} ms, gateway"
    what += f" {setting.gateway_ms} ms"
    return [
        Figure(
            f"{what}: click to PIN window",
            f"{found.window:.1f} s",
            f"≤ {WINDOW} s",
            found.window <= WINDOW,
            command,
            BY_HAND_CAUSE,
        ),
        Figure(
            f"{what}: PIN to `sent`",
            f"{found.sent:.1f} s",
            f"≤ {PIN_TO_SENT} s + {others:.2f} s of token and gateway",
            found.sent <= PIN_TO_SENT + others,
            command,
            BY_HAND_CAUSE,
        ),
    ]


def _whole_way(setting: office.Setting, command: str) -> list[Figure]:
    found = office.measure(setting)
    say(f"{setting}: {found}")
    each = 1000 / setting.count
    busy_share = sum(found.processor.values()) / (found.whole * (os.cpu_count() or 1))
    computers = "1 computer" if setting.agents == 1 else f"{setting.agents} computers with a token each"
    is_bare = not setting.token_ms
    speed = "as fast as this machine" if is_bare else f"token {setting.token_ms} ms, gateway {setting.gateway_ms} ms"
    what = f"{setting.count} companies from the batch page to `sent`, {computers}, {speed}"
    what += f", {setting.calls} calls at the same time" if setting.calls != AT_ONCE else ""
    details = {
        "companies": str(setting.count),
        "token": f"{setting.token_ms} ms",
        "gateway": f"{setting.gateway_ms} ms",
        "calls": str(setting.calls),
        "computers": str(setting.agents),
        "click answered": f"{found.clicked:.1f} s",
        "first signature": f"{found.first:.1f} s",
        "last prepared": f"{found.registered:.1f} s",
        "last signature": f"{found.last:.1f} s",
        "all sent": f"{found.whole:.1f} s",
        **{f"{name}, processor": f"{seconds * each:.1f} ms" for name, seconds in found.processor.items()},
        "processor busy": f"{busy_share:.0%}",
    }
    if is_bare:
        return [Figure(what, f"{found.whole * each:.0f} ms each", command=command, details=details)]
    limit = setting.count * setting.token_ms / 1000 / setting.agents
    most = PIPELINE if setting.agents == 1 else SEVERAL
    ratio = found.whole / limit
    is_processor = setting.agents > 1 and busy_share >= BUSY
    bound = f"≤ {most}" + (f", or the processor is the limit (≥ {BUSY:.0%} busy)" if setting.agents > 1 else "")
    shown = f"{ratio:.2f} ({found.whole:.1f} s ÷ {limit:.1f} s)"
    return [
        Figure(
            f"{what} ÷ the tokens' time",
            f"{shown}; processor {busy_share:.0%} busy" if setting.agents > 1 else shown,
            bound,
            ratio <= most or is_processor,
            command,
            PIPELINE_CAUSE if setting.agents == 1 else SEVERAL_CAUSE,
            details=details,
        ),
        *(
            [
                Figure(
                    f"{what}: click to first signature",
                    f"{found.first:.1f} s",
                    f"≤ {FIRST} s",
                    found.first <= FIRST,
                    command,
                    PIPELINE_CAUSE,
                )
            ]
            if setting.agents == 1
            else []
        ),
    ]


def _readers(mode: str) -> list[Figure]:
    baseline, readings = readers.measure(SIZE if mode != "short" else SHORT_SIZE)
    say(readers.table(readings))
    missed = [reading for reading in readings if not readers.is_bounded(reading, baseline)]
    names = len({reading.reader for reading in readings})
    shown = readers.worst(missed) or [max(readings, key=lambda reading: reading.seconds)]
    return [
        Figure(
            f"{names} readers of what comes from outside, {len(readings)} inputs that are made to be expensive: "
            f"processor of {'one that costs too much' if missed else 'the most expensive'} ({reading.reader}, "
            f"{reading.what})",
            str(reading),
            f"≤ {readers.MOST:.0f} s per MiB",
            not missed,
            "./run bench --only readers",
            f"An input that is made to be expensive costs more than {readers.MOST:.0f} s per MiB and more than "
            f"{readers.MOST_TIMES} times plain parsing ({baseline:.3f} s), or ends in an exception that is no refusal.",
            is_exact=True,
        )
        for reading in shown
    ]


MEASUREMENTS: dict[str, Callable[[str], list[Figure]]] = {
    "readers": _readers,
    "server": _server,
    "agent": _agent,
    "registering": _registering,
    "follow": _follow,
    "mails": _mails,
    "office": _office,
    "screens": screens.figures,
}
NOT_HERE = (
    "- Several machines, a real USB token, a real I-VAN: none was at hand.\n"
    "- Many responsible people: one who gets up to 20 activities at once is notified of each, as everywhere in Odoo, "
    "which costs about 10 queries for each.\n"
)
HEAD = """# Benchmarks

Version {version}, measured on {day} by `./run bench{option}`, which writes this page; a line's command measures it
again. Machine: {machine}. Processes that wanted to run when
each measurement began: {busy}.

The scheduled action, the mails and the screens run inside Odoo on a fresh database each, with rows copied by SQL; where
no gateway is named, one that answers at once. One person is responsible for all of the registrations: anyone who gets
more than 20 activities at once gets one message about them.

{table}

## The office in detail

Odoo with two workers behind nginx, PostgreSQL, the agents, SoftHSM2 whose signatures take as long as a token's, and the
sandbox, which answers as late as an I-VAN, share the cores of this machine. 20 companies share a certificate, and so a
log-in. Times are from the click on the batch's page; the processor's time is for each company, by program (PostgreSQL's
without that of processes which ended meanwhile). Printed forms are left out: an action of its own makes them later.

{details}

## Not measured

{unmeasured}
"""


def _version() -> str:
    manifest = ast.literal_eval((ROOT / "__manifest__.py").read_text(encoding="utf-8"))
    return str(manifest["version"])


def _write(option: str, failed: Collection[str]) -> None:
    """Write the document, once there are figures of every measurement that did not fail.

    :param option: with which this run was started
    :param failed: measurements of this run that ended without figures
    """
    version = _version()
    found = {name: kept.load(name, version) for name in MEASUREMENTS}
    complete = {name: one for name, one in found.items() if one}
    if complete.keys() | set(failed) != MEASUREMENTS.keys():
        say(f"{DOCUMENT.name} waits for {', '.join(sorted(MEASUREMENTS.keys() - complete.keys()))}.")
        return
    figures = [figure for one in complete.values() for figure in one.figures]
    broken = "".join(f"- {name}: it failed in this run.\n" for name in failed)
    text = HEAD.format(
        version=version,
        day=" and ".join(sorted({one.day for one in complete.values()})),
        option=option,
        machine=machine(),
        busy=", ".join(f"{one.busy:.0f} ({name})" for name, one in complete.items()),
        table=table(figures),
        details=details(figures),
        unmeasured=NOT_HERE + broken,
    )
    DOCUMENT.write_text(text.strip() + "\n", encoding="utf-8")
    say(f"Written: {DOCUMENT.relative_to(ROOT)}")


def run(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and write docs/benchmarks.md unless this is the short mode.

    A measurement that fails does not keep the others from being made.

    :return: 1 when a figure that does not depend on the machine misses its bound, or a measurement failed; time is
        reported only
    :raises Problem: for arguments that are not known
    """
    rest = list(arguments)
    mode = "short" if "--short" in rest else "long" if "--long" in rest else "normal"
    names = rest[rest.index("--only") + 1 :] if "--only" in rest else list(MEASUREMENTS)
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        raise Problem(f"There is no measurement {unknown[0]!r}.", f"Measurements: {' '.join(MEASUREMENTS)}")
    figures: list[Figure] = []
    failed: list[str] = []
    if {"registering", "follow", "mails", "screens"} & set(names):
        say("A database to copy …")
        inside.prepare()
    try:
        for name in names:
            say(f"Measuring {name} …")
            load, started = busy(), time.monotonic()
            try:
                found = MEASUREMENTS[name](mode)
            except Exception as error:  # whatever it is, the others can be measured
                say(f"{name} failed:\n{error if isinstance(error, Problem) else traceback.format_exc()}")
                failed.append(name)
                kept.forget(name)
                continue
            figures += found
            say(f"{table(found)}\n\n{name}: {time.monotonic() - started:.0f} s\n")
            if mode != "short":
                kept.keep(name, _version(), found, load)
    finally:
        inside.clean()
    say(details(figures))
    if mode != "short":
        _write(" --long" if mode == "long" else "", failed)
    wrong = [figure.what for figure in figures if figure.is_exact and figure.met is False]
    late = [figure.what for figure in figures if not figure.is_exact and figure.met is False]
    for what, which in (("Missed on this machine", late), ("Wrong whatever the machine", wrong), ("Failed", failed)):
        if which:
            say(f"{what}: {'; '.join(which)}")
    return 1 if wrong or failed else 0
