"""One Jupyter kernel in its sandbox."""

import asyncio
import json
import os
import secrets
import time
from pathlib import Path

from jupyter_client.connect import write_connection_file

from assistants_server.code_interpreter import sandbox, sandbox_limits, tree
from assistants_server.code_interpreter.call import Call
from assistants_server.code_interpreter.channels import Channels
from assistants_server.code_interpreter.folder import Folder
from assistants_server.code_interpreter.last import in_thread
from assistants_server.code_interpreter.output import Output
from assistants_server.code_interpreter.processes import Processes, lifeline

SECONDS_TO_START = 60
SECONDS_BETWEEN_TRIES = 0.02
SECONDS_BETWEEN_LOOKS = 0.25
MANY_STRAYS = sandbox_limits.PROCESSES // 4
WHAT_IS_LEFT = "Variables are gone; files are kept."
TOO_MUCH = (
    f"Stopped, because a thread may have {sandbox_limits.FOLDER_BYTES // sandbox_limits.MEGABYTE} MB of files on the "
    f"disk, {sandbox_limits.FOLDER_ENTRIES} of them, in at most {sandbox_limits.FOLDER_DEPTH} folders within each "
    "other. Variables are gone, and so are the newest files"
)


class Kernel:
    """A kernel that is started by its first call, and again after it died.

    Args:
        folder: where its files lie.
        scratch: where it has its sockets and temporary files; made and removed by the kernel.
        uid: the user id of its code, if that is another than the server's.
    """

    def __init__(self, folder: Path, scratch: Path, uid: int | None) -> None:
        self.last_used = time.monotonic()
        self._folder, self._scratch, self._uid = folder, scratch, uid
        self._processes: Processes | None = None
        self._channels: Channels | None = None

    async def execute(self, code: str) -> Output:
        """Run `code` and return what came of it.

        Never raises for anything that the code does: an error, a timeout, too much output and the
        death of the kernel are told in the output, and the next call works again.
        """
        self.last_used = time.monotonic()
        if self._processes is not None and self._processes.have_ended():
            await self.stop()
        if self._processes is None:
            try:
                await self._start()
            except (OSError, EOFError) as error:  # TimeoutError is an OSError
                why = getattr(error, "strerror", None) or "it gave no reason"
                return Output(notes=[f"The code was not run: its kernel did not start ({why})."])
        processes = self._processes
        call = Call(self._channels, processes)
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
        elif reason:
            await self.stop()
            call.output.note(f"{reason} {WHAT_IS_LEFT}")
        elif await asyncio.to_thread(processes.end_strays) > MANY_STRAYS:
            # Dead processes count until their parent, the kernel, asks for them.
            await self.stop()
            call.output.note(f"It left many processes behind, and was stopped. {WHAT_IS_LEFT}")
        self.last_used = time.monotonic()
        return call.output

    async def stop(self) -> None:
        """End the kernel and every process that it started."""
        processes, self._processes = self._processes, None
        channels, self._channels = self._channels, None
        if channels is not None:
            channels.close()
        if processes is not None:
            await in_thread(processes.end)
        await in_thread(tree.remove, self._scratch)

    async def _start(self) -> None:
        try:
            await asyncio.to_thread(tree.remove, self._scratch)  # left by a start that failed
            connection = self._write_connection()
            channels = self._channels = Channels(connection)
            command = sandbox.command(self._folder, self._scratch, self._uid, lifeline())
            command += ["-f", str(self._scratch / "kernel.json"), "--log-level=ERROR"]
            processes = self._processes = Processes(command, self._scratch)
            async with asyncio.timeout(SECONDS_TO_START):
                while not await channels.open():
                    if processes.have_ended():
                        raise EOFError
                    await asyncio.sleep(SECONDS_BETWEEN_TRIES)
                await channels.answers()
            await asyncio.to_thread(processes.started)
            if self._processes is not processes:  # stopped meanwhile: its thread was deleted
                raise EOFError
        except BaseException:
            await self.stop()
            raise

    def _write_connection(self) -> dict:
        file = self._scratch / "kernel.json"
        local = {"transport": "ipc", "ip": str(self._scratch / "s")} if os.name == "posix" else {}
        with Folder(self._scratch, self._uid):
            _, connection = write_connection_file(
                str(file), key=secrets.token_hex(32).encode(), **local
            )
        if self._uid is not None:
            os.chown(file, self._uid, self._uid, follow_symlinks=False)
        return connection

    async def _watch(self, call: Call) -> None:
        """End a call that fills the disk, and return then."""
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        while not await asyncio.to_thread(self._takes_too_much):
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        call.is_to_end = True

    def _takes_too_much(self) -> bool:
        processes = self._processes
        deleted = processes.bytes_of_deleted_files() if processes else 0
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
