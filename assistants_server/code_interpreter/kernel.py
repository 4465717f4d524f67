"""Starts, uses and stops the Jupyter kernel of one thread."""

import asyncio
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.connect import KernelConnectionInfo, write_connection_file

from assistants_server.code_interpreter import sandbox, sandbox_limits, tree
from assistants_server.code_interpreter.call import Call
from assistants_server.code_interpreter.channels import Channels
from assistants_server.code_interpreter.folder import Folder
from assistants_server.code_interpreter.output import Output
from assistants_server.code_interpreter.processes import Processes, lifeline
from assistants_server.interpreter_shutdown import in_thread

SECONDS_TO_START = 60
SECONDS_BETWEEN_TRIES = 0.02
SECONDS_BETWEEN_LOOKS = 0.25
MANY_STRAYS = sandbox_limits.PROCESSES // 4
WHAT_IS_LEFT = "Variables are gone; files are kept."
TOO_MUCH = (
    f"Stopped, because a thread may have {sandbox_limits.FOLDER_BYTES // sandbox_limits.MEGABYTE} "
    f"MB of files on the disk, {sandbox_limits.FOLDER_ENTRIES} of them, in at most "
    f"{sandbox_limits.FOLDER_DEPTH} nested folders. Variables are gone, and so are the newest files"
)


@dataclass(frozen=True)
class _Running:
    processes: Processes
    channels: Channels


class Kernel:
    """A kernel that is started by the first call, and restarted by the next call after it died.

    It works in `folder`. `scratch`, for sockets and temporary files, is made and removed with it.
    """

    def __init__(self, folder: Path, scratch: Path, uid: int | None) -> None:
        self.last_used = time.monotonic()
        self._folder, self._scratch, self._uid = folder, scratch, uid
        self._running: _Running | None = None

    async def execute(self, code: str) -> Output:
        """Run `code` and return its output.

        Nothing that the code does raises an exception here: errors, timeouts, too much output and
        the death of the kernel are described in the output, and the next call works again.
        """
        self.last_used = time.monotonic()
        if self._running is not None and self._running.processes.have_ended():
            await self.stop()
        try:
            running = self._running or await self._start()
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            why = getattr(error, "strerror", None) or "it gave no reason"
            return Output(notes=[f"The code was not run: its kernel did not start ({why})."])
        call = Call(running.channels, running.processes)
        watch = asyncio.create_task(self._watch(call))
        try:
            reason = await call.run(code)
        except asyncio.CancelledError:
            if not await call.abandon():
                await self.stop()
            raise
        finally:
            watch.cancel()
        if call.is_to_end or await asyncio.to_thread(self._takes_too_much):
            await self.stop()
            removed = await asyncio.to_thread(self._shrink)
            call.output.note(f"{TOO_MUCH}{_names(removed)}.")
        else:
            if not reason and await asyncio.to_thread(running.processes.end_strays) > MANY_STRAYS:
                # Killed processes count towards the limit until their parent, the kernel, reaps them.
                reason = "The code left many processes running, so the kernel was stopped."
            if reason:
                await self.stop()
                call.output.note(f"{reason} {WHAT_IS_LEFT}")
        self.last_used = time.monotonic()
        return call.output

    async def stop(self) -> None:
        """End the kernel and every process that it started."""
        running, self._running = self._running, None
        if running is not None:
            running.channels.close()
            await in_thread(running.processes.end)
        await in_thread(tree.remove, self._scratch)

    async def _start(self) -> _Running:
        try:
            await asyncio.to_thread(tree.remove, self._scratch)  # an earlier start may have failed
            channels = Channels(self._write_connection())
            command = sandbox.command(self._folder, self._scratch, self._uid, lifeline())
            command += ["-f", str(self._scratch / "kernel.json"), "--log-level=ERROR"]
            processes = Processes(command, self._scratch)
            running = self._running = _Running(processes, channels)
            async with asyncio.timeout(SECONDS_TO_START):
                while not await channels.open():
                    if processes.have_ended():
                        raise EOFError
                    await asyncio.sleep(SECONDS_BETWEEN_TRIES)
                await channels.answers()
            await asyncio.to_thread(processes.started)
            if self._running is not running:  # stopped meanwhile, because its thread was deleted
                raise EOFError
        except BaseException:
            await self.stop()
            raise
        return running

    def _write_connection(self) -> KernelConnectionInfo:
        """Write the kernel's connection file and return its content."""
        file = self._scratch / "kernel.json"
        posix = os.name == "posix"
        with Folder(self._scratch, self._uid):
            _, connection = write_connection_file(
                str(file),
                key=secrets.token_hex(32).encode(),
                transport="ipc" if posix else "tcp",
                ip=str(self._scratch / "s") if posix else "127.0.0.1",
            )
        if self._uid is not None:
            os.chown(file, self._uid, self._uid, follow_symlinks=False)
        return connection

    async def _watch(self, call: Call) -> None:
        """Wait until the files of a call exceed the limits, then make it end."""
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        while not await asyncio.to_thread(self._takes_too_much):
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        call.is_to_end = True

    def _takes_too_much(self) -> bool:
        running = self._running
        deleted = running.processes.bytes_of_deleted_files() if running else 0
        for path in (self._folder, self._scratch):
            usage = tree.measure(path)
            usage.bytes += deleted
            if usage.is_too_much():
                return True
        return False

    def _shrink(self) -> list[str]:
        with Folder(self._folder, self._uid) as folder:
            return folder.shrink()


def _names(removed: list[str]) -> str:
    shown = [json.dumps(name) for name in removed[:10]]
    more = [f"{len(removed) - 10} more"] if len(removed) > 10 else []
    return f": {', '.join(shown + more)}" if shown else ""
