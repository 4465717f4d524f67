"""One Jupyter kernel in its sandbox."""

import asyncio
import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

import psutil
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec

from assistants_server import private
from assistants_server.code_interpreter import limits, sandbox

SECONDS_TO_START = 60
SECONDS_TO_STOP = 2
MOST_IMAGES = 20
MANY_STRAYS = limits.PROCESSES // 4
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
WHAT_IS_LEFT = "Variables are gone; files are kept."


@dataclass
class Output:
    """What one call printed and drew.

    Attributes:
        text: printed output, the last value, and the end of a traceback, in order.
        images: PNG files, as bytes.
    """

    text: str = ""
    images: list[bytes] = field(default_factory=list)


class Kernel:
    """A kernel that is started by its first call, and again after it died.

    Args:
        folder: where its files lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last_used = time.monotonic()
        self._manager: AsyncKernelManager | None = None
        self._client = None
        self._connection: Path | None = None

    async def execute(self, code: str) -> Output:
        """Run `code` and return what came of it.

        Never raises for anything that the code does: an error, a timeout, too much output and the
        death of the kernel are told in the output, and the next call works again.
        """
        self.last_used = time.monotonic()
        if self._manager is not None and not await self._manager.is_alive():
            await self.stop()
        if self._manager is None:
            await self._start()
        request = self._client.execute(code, stop_on_error=False)
        try:
            output = await self._collect(request)
        except asyncio.CancelledError:
            await self._abandon(request)
            raise
        if self._manager is not None and await asyncio.to_thread(self._end_strays) > MANY_STRAYS:
            # Dead processes count until their parent, the kernel, asks for them.
            await self.stop()
            output.text += f"\nIt left many processes behind, and was stopped. {WHAT_IS_LEFT}"
        self.last_used = time.monotonic()
        return output

    async def stop(self) -> None:
        """End the kernel and every process that it started."""
        if self._manager is None:
            return
        processes = self._processes()
        manager, self._manager = self._manager, None
        if self._client is not None:
            self._client.stop_channels()
            self._client = None
        with contextlib.suppress(Exception):
            await manager.shutdown_kernel(now=True)
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self._connection, ignore_errors=True)

    async def _start(self) -> None:
        private.make_folder(self.folder)
        self._connection = Path(tempfile.mkdtemp(prefix="kernel-"))
        command = sandbox.command(self.folder, self._connection)
        spec = KernelSpec(
            argv=[*command, "-f", "{connection_file}", "--log-level=ERROR"],
            display_name="code interpreter",
            language="python",
        )
        self._manager = _Manager(
            connection_file=str(self._connection / "kernel.json"),
            transport="ipc" if os.name == "posix" else "tcp",
        )
        self._manager.spec = spec
        if os.name == "posix":
            self._manager.ip = str(self._connection / "socket")
        environment = sandbox.environment(self.folder)
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            await self._manager.start_kernel(cwd=str(self.folder), env=environment, **silent)
            self._client = self._manager.client()
            self._client.start_channels()
            await self._client.wait_for_ready(timeout=SECONDS_TO_START)
        except BaseException:
            await self.stop()
            raise
        self._own = {process.pid for process in self._processes()}

    def _processes(self) -> list[psutil.Process]:
        """Return the kernel and all below it, and whatever holds its sandbox together."""
        if self._manager.provisioner is None:
            return []
        try:
            top = psutil.Process(self._manager.provisioner.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []

    def _end_strays(self) -> int:
        """End the processes that a call has left behind, and return how many there were."""
        strays = [process for process in self._processes() if process.pid not in self._own]
        for process in strays:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return len(strays)

    async def _interrupt(self) -> None:
        if os.name != "posix":
            await self._manager.interrupt_kernel()
            return
        for process in self._processes():  # a signal to the group would end the sandbox instead
            with contextlib.suppress(psutil.Error):
                if process.pid in self._own and process.name() != "bwrap":
                    process.send_signal(signal.SIGINT)

    async def _abandon(self, request: str) -> None:
        """Interrupt a call until it has ended; the first time it may not have begun."""
        deadline = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < deadline:
            await self._interrupt()
            try:
                while True:
                    message = await self._client.get_iopub_msg(timeout=0.2)
                    if message["parent_header"].get("msg_id") == request and _is_idle(message):
                        return
            except Empty:
                continue
            except Exception:  # the code has meddled with the kernel's own messages
                break
        await self.stop()

    async def _collect(self, request: str) -> Output:
        """Read the messages of one call until the kernel is idle again."""
        output, seen = Output(), 0
        deadline = time.monotonic() + limits.WALL_SECONDS
        notes: list[str] = []
        while True:
            try:
                message = await self._client.get_iopub_msg(timeout=0.5)
            except Empty:
                if not await self._manager.is_alive():
                    await self.stop()
                    notes.append(f"The process ended. {WHAT_IS_LEFT}")
                    break
                message = None
            except Exception:  # the code has meddled with the kernel's own messages
                await self.stop()
                notes.append(f"The kernel broke, and was stopped. {WHAT_IS_LEFT}")
                break
            if message is not None and message["parent_header"].get("msg_id") == request:
                if _is_idle(message):
                    break
                seen += len(str(message["content"]))
                # What the code sends by hand need not be what Jupyter would.
                with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                    _add(output, message)
            if not notes and (time.monotonic() > deadline or seen > limits.OUTPUT_BYTES):
                late = time.monotonic() > deadline
                notes.append(
                    f"Stopped after {limits.WALL_SECONDS} seconds, which is the limit."
                    if late
                    else "Stopped, because it printed too much."
                )
                await self._interrupt()
                deadline = time.monotonic() + SECONDS_TO_STOP
            elif notes and time.monotonic() > deadline:
                await self.stop()  # it does not listen
                notes.append(f"It had to be killed. {WHAT_IS_LEFT}")
                break
        output.text = "\n".join(part for part in (_shortened(output.text), *notes) if part)
        return output


class _Manager(AsyncKernelManager):
    """A manager for a kernel that no kernel spec on the disk describes."""

    spec: KernelSpec

    @property
    def kernel_spec(self) -> KernelSpec:
        return self.spec


def _is_idle(message: dict) -> bool:
    return message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"


def _add(output: Output, message: dict) -> None:
    content = message["content"]
    match message["msg_type"]:
        case "stream":
            if len(output.text) < 2 * limits.OUTPUT_CHARACTERS:
                output.text += content["text"]
        case "execute_result" | "display_data":
            data = content["data"]
            if "image/png" in data and len(output.images) < MOST_IMAGES:
                output.images.append(base64.b64decode(data["image/png"]))
            elif "text/plain" in data:
                output.text += f"{data['text/plain']}\n"
        case "error":
            output.text += _own_frames(content["traceback"])


def _own_frames(traceback: list[str]) -> str:
    """Return a traceback with the frames of the code itself, not those of the libraries below."""
    blocks = ESCAPES.sub("", "\n".join(traceback)).split("\n\n")
    own = [block for block in blocks if not block.lstrip().startswith("File ")]
    lines = [line.rstrip() for block in own for line in block.splitlines()]
    return "\n".join(line for line in lines if line.strip("-")) + "\n"


def _shortened(text: str) -> str:
    text = ESCAPES.sub("", text).rstrip("\n")
    if len(text) <= limits.OUTPUT_CHARACTERS:
        return text
    half = limits.OUTPUT_CHARACTERS // 2
    return f"{text[:half]}\n[... output left out ...]\n{text[-half:]}"
