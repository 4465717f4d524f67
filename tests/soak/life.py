"""The life of one database: servers on it, clients at work, and kills."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from tests.soak import check, material
from tests.soak.check import Faults
from tests.soak.ledger import Promise
from tests.soak.load import Client, http_for
from tests.soak.process import (
    NotStarted,
    ServerProcess,
    end_strays,
    kill_while_it_starts,
)

CLIENTS = 8
SECONDS = 5  # within which everything is in order again after a kill
OLD_ONES = 100  # promises that were checked before, and are checked again in each round
MOST_WAITING = 20


class Life:
    """A database that servers work on and are killed on.

    Args:
        folder: an empty folder of its own.
        servers: how many work on it at once.
        seed: decides what happens.
        passages: how a server reads each document that nobody disturbs.

    Attributes:
        faults: what was found so far.
        checked: how many promises were checked so far.

    Raises:
        NotStarted: a server does not start.
    """

    def __init__(
        self, folder: Path, servers: int, seed: str, passages: dict[str, list[str]]
    ) -> None:
        self.faults = Faults()
        self.checked = 0
        self._random = random.Random(seed)
        self._database = folder / "soak.db"
        self._log = folder / "server.log"
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self._clients = [Client(number, seed, passages) for number in range(CLIENTS)]
        self._most = servers
        self._servers: list[ServerProcess] = []
        self._start_servers()

    @property
    def acknowledged(self) -> int:
        """How many creations, changes and deletions were acknowledged."""
        return sum(client.ledger.acknowledged for client in self._clients)

    @property
    def log(self) -> list[str]:
        """The lines that the servers have logged."""
        return self._log.read_text(errors="replace").splitlines()

    def round(self) -> None:
        """Let the clients work, kill a server or all, and check what is left.

        Raises:
            NotStarted: a server does not start again.
        """
        victims = self._servers[:]
        if len(victims) > 1 and self._random.random() < 0.75:
            victims = [self._random.choice(victims)]
        self._work_until_killed(victims)
        killed = time.monotonic()
        self.faults.processes += end_strays(self._servers, SECONDS)
        if not self._servers:
            if self._random.random() < 0.15:
                kill_while_it_starts(*self._places, self._random.uniform(0.2, 1.5))
            self._start_server()
            killed = time.monotonic()
            self.faults.add(check.left_over(self._database, self._temporary, 1, SECONDS))
        dead = {server.pid for server in victims}
        theirs = [each for each in self._promises() if each.server in dead]
        with http_for(self._servers[0]) as http:
            left = max(0.5, SECONDS - (time.monotonic() - killed))
            self.faults.add(check.runs_end(self._database, http, theirs, left))
            self._check(http, self._unchecked())
        self._start_servers()

    def end(self) -> None:
        """Stop all servers; check everything once more, with a new one."""
        self._stop_servers()
        self._start_server()
        self.faults.add(check.left_over(self._database, self._temporary, 1, SECONDS))
        with http_for(self._servers[0]) as http:
            self._check(http, self._promises())
            self.faults.add(check.lists(http, self._promises()))
            self.faults.add(check.contents(self._database, http, SECONDS))
            waiting = check.waiting_runs_go_on(self._database, http, MOST_WAITING, SECONDS)
            self.faults.add(waiting)
        self._stop_servers()
        self.faults.add(check.left_over(self._database, self._temporary, 0, SECONDS))
        for client in self._clients:
            for trouble, times in client.troubles.items():
                self.faults.answers.append(f"{times} × {trouble}")

    def abandon(self) -> None:
        """Kill what still runs."""
        for server in self._servers:
            server.kill()
        end_strays([], 0)

    def _work_until_killed(self, victims: list[ServerProcess]) -> None:
        stop, servers = threading.Event(), self._servers[:]
        with ThreadPoolExecutor(CLIENTS) as pool:
            work = [pool.submit(client.work, servers, stop) for client in self._clients]
            self._wait_for_the_moment(victims[0])
            for server in victims:
                server.kill()
            self._servers = [server for server in servers if server.alive]
            if self._servers:
                time.sleep(self._random.uniform(0.3, 1))  # the others go on
            stop.set()
        for each in work:
            each.result()

    def _wait_for_the_moment(self, victim: ServerProcess) -> None:
        time.sleep(self._random.uniform(0.2, 2.5))
        if self._random.random() < 0.4:
            deadline = time.monotonic() + 3
            while not victim.is_starting_a_process() and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(self._random.uniform(0, 0.6))

    def _check(self, http: httpx2.Client, promises: list[Promise]) -> None:
        self.faults.add(check.promises(http, promises))
        self.checked += len(promises)

    def _promises(self) -> list[Promise]:
        return [promise for client in self._clients for promise in client.ledger.all()]

    def _unchecked(self) -> list[Promise]:
        new = [promise for promise in self._promises() if not promise.checked]
        old = [promise for promise in self._promises() if promise.checked]
        return new + self._random.sample(old, min(OLD_ONES, len(old)))

    @property
    def _places(self) -> tuple[Path, Path, Path]:
        return self._database, self._log, self._temporary

    def _start_servers(self) -> None:
        while len(self._servers) < self._most:
            self._start_server()

    def _start_server(self) -> None:
        self._servers.append(ServerProcess(*self._places))

    def _stop_servers(self) -> None:
        for server in self._servers:
            if not server.stop():
                self.faults.starts.append("a server did not end within 20 s of SIGTERM")
        self._servers = []
        self.faults.processes += end_strays([], SECONDS)


def read_undisturbed(folder: Path) -> dict[str, list[str]]:
    """Return the passages of each document, as a server reads them that nobody disturbs.

    Raises:
        NotStarted: the server does not start.
    """
    (folder / "tmp").mkdir(parents=True)
    server = ServerProcess(folder / "calm.db", folder / "server.log", folder / "tmp")
    try:
        with http_for(server) as http:
            store = http.post("/vector_stores", json={}).json()["id"]
            return {
                name: _read(http, store, name, content)
                for name, content in material.DOCUMENTS.items()
            }
    finally:
        server.stop()


def _read(http: httpx2.Client, store: str, name: str, content: bytes) -> list[str]:
    upload = {"data": {"purpose": "assistants"}, "files": {"file": (name, content)}}
    file = http.post("/files", **upload).json()["id"]
    path = f"/vector_stores/{store}/files"
    http.post(path, json={"file_id": file})
    while (status := http.get(f"{path}/{file}").json()["status"]) == "in_progress":
        time.sleep(0.05)
    if status != "completed":
        raise NotStarted(f"{name} is {status} although nobody disturbs the server")
    return [each["text"] for each in http.get(f"{path}/{file}/content").json()["data"]]
