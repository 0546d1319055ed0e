"""The world of the fault suite on two hosts with one database, the first of them behind nginx."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..demo.odoo_web import Person
from ..demo.processes import free_port
from ..faults.programs import Victim
from ..faults.world import World, until
from ..paths import PYTHON
from .proxy import Proxy


class HostsWorld(World):
    """Two installations of Odoo that share nothing but PostgreSQL: each has ports, processes and data of its own."""

    database = "hosts"
    # Odoo then compares the address of a page with the one that the proxy tells, and tells a stranger's page nothing.
    variables = {"ODOO_BUS_PUBLIC_SAMESITE_WS": "1"}

    def options(self) -> dict[str, str | int]:
        """As in the administrator's guide."""
        return {**super().options(), "gevent_port": self._gevent_port, "proxy_mode": "True"}

    def _start(self) -> None:
        self._gevent_port = free_port()
        super()._start()
        self.proxy = Proxy(self.folder / "nginx", http_port=self.port, gevent_port=self._gevent_port)
        port = free_port()
        self.second_url = f"http://127.0.0.1:{port}"
        own: dict[str, str | int] = {
            "http_port": port,
            "gevent_port": free_port(),
            "data_dir": str(self.folder / "data2"),
        }
        configuration = self.write_config("odoo2.conf", **{**self.options(), **own})
        self.second = self._program("odoo2", [str(PYTHON), str(self.launcher), "-c", str(configuration)])
        self.start_second()
        self.proxy.start()
        self._stack.callback(self.proxy.stop)

    def start_second(self) -> None:
        """Start the second host, when it does not run."""
        if not self.second.running:
            self.second.start()
        until("the second Odoo", lambda: self._answers(f"{self.second_url}/web/health?db_server_status=1"))

    def recover(self) -> None:
        """Whatever the last case has broken runs again."""
        self.start_second()
        super().recover()

    def person_at_proxy(self, login: str) -> Person:
        """A user who logs in through the proxy."""
        return Person(self.proxy.url, self.database, login, self.passwords[login], trust=self.proxy.authority)

    def person_at_second(self, login: str) -> Person:
        """A user who logs in at the second host."""
        return Person(self.second_url, self.database, login, self.passwords[login])

    @contextmanager
    def moved(self, login: str) -> Iterator[None]:
        """Whatever this user does meanwhile is done at the second host."""
        usual = self.person(login)
        self._people[login] = self.person_at_second(login)
        yield
        self._people[login] = usual

    def senders(self) -> list[Victim]:
        """The hosts that hold a registration's row, as who sends it does."""
        names = self.sql(
            "SELECT DISTINCT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
            "WHERE relation = 'l10n_vn_ibhxh_registration'::regclass AND mode = 'RowShareLock' AND granted"
        )
        pids = {int(row["application_name"].rpartition("-")[2]) for row in names}
        # Connections bear the name of the process that read the configuration, which may be the workers' parent.
        return [host for host in (self.odoo, self.second) if host.running and pids & {host.pid, *host.workers()}]
