"""Whether everything that was promised is true, and nothing is left over."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.soak.ledger import Promise, State
from tests.soak.load import ENDED
from tests.soak.material import answer

CLIENTS = 4
WORKING = ("queued", "in_progress", "cancelling")
SECONDS_TO_FINISH = 20  # within which a living server's runs end
SECONDS_TO_READ = 20  # within which the files of vector stores are read after a crash


@dataclass
class Faults:
    """What was found, one sentence for each fault.

    Attributes:
        lost: objects and contents that are missing, or not as they were acknowledged.
        resurrected: objects that are there although their deletion was acknowledged.
        stuck: runs that stay active, or do not go on.
        processes: those that outlived their server.
        folders: those that no living server needs.
        contents: contents without an object, and half an upload.
        locks: more locks than servers.
        starts: servers that did not start, or did not end when asked to.
        answers: answers with a 5xx, none at all, and streams without an end.
    """

    lost: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def add(self, other: "Faults") -> None:
        """Add what another check has found."""
        for name, found in vars(other).items():
            getattr(self, name).extend(found)

    def none(self) -> bool:
        """Return whether nothing was found."""
        return not any(vars(self).values())


def promises(http: httpx2.Client, wanted: list[Promise]) -> Faults:
    """Retrieve each object, and its content; one that is not as promised is lost."""
    faults = Faults()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for promise, (state, why) in zip(wanted, pool.map(lambda each: _kept(http, each), wanted)):
            promise.checked = True
            if state == "lost":
                faults.lost.append(f"{promise.path}: {why}")
            elif state == "resurrected":
                faults.resurrected.append(f"{promise.path}: {why}")
    return faults


def lists(http: httpx2.Client, wanted: Iterable[Promise]) -> Faults:
    """Read every list to its end: what was promised must be in it, and what was deleted not."""
    faults = Faults()
    by_list: dict[str, list[Promise]] = {}
    for promise in wanted:
        by_list.setdefault(promise.listed, []).append(promise)
    for listed, inside in by_list.items():
        owner = listed.rpartition("/")[0]
        if listed == "/threads":
            continue  # of which the API has no list
        if owner and http.get(owner).status_code == 404:
            continue  # whether that may be is for the promise of the thread or the store to say
        try:
            ids = set(read_list(http, listed))
        except httpx2.HTTPStatusError as error:
            faults.lost.append(f"{listed} cannot be listed: {error}")
            continue
        for promise in inside:
            if promise.state is State.THERE and promise.id not in ids:
                faults.lost.append(f"{promise.path} is in no list")
            elif promise.state is State.GONE and promise.id in ids:
                faults.resurrected.append(f"{promise.path} is in a list again")
    return faults


def read_list(http: httpx2.Client, path: str) -> list[str]:
    """Return the ids of a list, page by page to its end.

    Raises:
        HTTPStatusError: a page cannot be read.
    """
    ids, more = [], {}
    while True:
        page = http.get(path, params={"limit": 100, **more}).raise_for_status().json()
        ids += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            return ids
        more = {"after": page["last_id"]}


def runs_end(
    database: Path, http: httpx2.Client, of_the_dead: list[Promise], seconds: float
) -> Faults:
    """Wait until no run is active.

    A run that waits for its client is not active: it can be answered still.

    Args:
        of_the_dead: the runs that a killed server has acknowledged.
        seconds: how long these may take; those of a living server have `SECONDS_TO_FINISH`.
    """
    faults = Faults()
    left = [promise for promise in of_the_dead if promise.state is State.THERE]

    def is_done(promise: Promise) -> bool:
        found = http.get(promise.path)
        return found.status_code == 404 or found.json()["status"] not in WORKING

    def look() -> bool:
        left[:] = [promise for promise in left if not is_done(promise)]
        return not left

    if not _within(seconds, look):
        for promise in left:
            status = http.get(promise.path).json()["status"]
            faults.stuck.append(f"{promise.path} of a dead server is {status} still")
    if not _within(SECONDS_TO_FINISH, lambda: not _active(database)):
        known = {promise.id for promise in left}
        faults.stuck += [f"{run} is active" for run in _active(database) if run not in known]
    return faults


def left_over(database: Path, temporary: Path, living: int, seconds: float) -> Faults:
    """Wait until nothing lies about that no server needs; return and remove what does after so long.

    Args:
        living: how many servers live. None of them has run code.
    """
    faults = Faults()
    threads = database.with_name(f"{database.name}.threads")
    files = database.with_name(f"{database.name}.files")

    def look() -> bool:
        locks = sorted(each.name for each in database.parent.glob("*.lock"))
        names = [lock.removesuffix(".lock").rpartition("_")[2] for lock in locks]
        faults.folders = [
            f"{each} is left over"
            for each in (*_in(threads), *_in(temporary))
            if not any(name in each.name for name in names)  # a living server's own
        ]
        faults.contents = [f"{each} is half an upload" for each in _in(files) if each.suffix]
        too_many = len(locks) > living
        faults.locks = [f"{living} servers live; there are {', '.join(locks)}"] * too_many
        return faults.none()

    if not _within(seconds, look):
        for fault in faults.folders:  # to find each only once
            shutil.rmtree(fault.removesuffix(" is left over"), ignore_errors=True)
    return faults


def contents(database: Path, http: httpx2.Client, seconds: float) -> Faults:
    """Compare the contents on disk with the objects of files; wait so long until they agree."""
    faults = Faults()

    def look() -> bool:
        objects = set(read_list(http, "/files"))
        stored = {path.name for path in _in(database.with_name(f"{database.name}.files"))}
        faults.contents = [f"content {name} has no object" for name in sorted(stored - objects)]
        faults.lost = [f"file {name} has no content" for name in sorted(objects - stored)]
        return faults.none()

    _within(seconds, look)
    return faults


def waiting_runs_go_on(database: Path, http: httpx2.Client, most: int, seconds: float) -> Faults:
    """Submit outputs to runs that wait for their client: each must end."""
    faults = Faults()
    for thread, run in _runs(database, ("requires_action",))[:most]:
        path = f"/threads/{thread}/runs/{run}"
        body = {"tool_outputs": answer(http.get(path).json())}
        submitted = http.post(f"{path}/submit_tool_outputs", json=body)
        if submitted.status_code != 200:
            faults.stuck.append(f"{path} waits, but outputs are refused: {submitted.text}")
        elif not _within(seconds, lambda path=path: http.get(path).json()["status"] in ENDED):
            faults.stuck.append(f"{path} did not go on")
    return faults


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def _kept(http: httpx2.Client, promise: Promise) -> tuple[str, str]:
    """Return "kept", "lost" or "resurrected", and why."""
    found = http.get(promise.path)
    if promise.state is State.GONE:
        back = found.status_code != 404
        return ("resurrected", f"status {found.status_code}") if back else ("kept", "")
    if promise.state is State.IN_DOUBT:
        return ("kept", "") if found.status_code in (200, 404) else ("lost", found.text)
    if promise.fields.get("status") == "completed":  # a vector store's file may still be read
        _within(SECONDS_TO_READ, lambda: http.get(promise.path).json().get("status") in ENDED)
        found = http.get(promise.path)
    if found.status_code != 200:
        return "lost", f"{found.status_code} {found.text}"
    body = _as_read(found.json())
    for name, value in promise.fields.items():
        if body.get(name) != value:
            return "lost", f"{name} is {body.get(name)!r}, not {value!r}"
    if promise.content is not None:
        content = http.get(f"{promise.path}/content")
        if isinstance(promise.content, bytes):
            same = content.content == promise.content
        else:
            passages = [each["text"] for each in content.json().get("data", [])]
            same = passages == promise.content
        if not same:
            return "lost", f"its content is not what it was: {content.text[:80]!r}"
    return "kept", ""


def _as_read(body: dict) -> dict:
    """Return an object with the names that promises use: a message has a `text`."""
    if body["object"] == "thread.message" and body["content"]:
        return {**body, "text": body["content"][0]["text"]["value"]}
    return body


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _active(database: Path) -> list[str]:
    return [run for _, run in _runs(database, WORKING)]


def _runs(database: Path, statuses: tuple[str, ...]) -> list[tuple[str, str]]:
    # The API has no list of all runs, and a thread whose creation was not acknowledged has some too.
    marks = ", ".join("?" for _ in statuses)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(
            "SELECT parent, id FROM objects WHERE kind = 'run' "
            f"AND json_extract(body, '$.status') IN ({marks})",
            statuses,
        ).fetchall()
