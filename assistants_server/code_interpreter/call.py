"""One call of a kernel: sends the code, reads what comes of it, and ends it at the limits."""

import asyncio
import time

from assistants_server.code_interpreter import sandbox_limits
from assistants_server.code_interpreter.channels import Channels, Message
from assistants_server.code_interpreter.output import Output
from assistants_server.code_interpreter.processes import Processes
from assistants_server.code_interpreter.wire import TooLarge

SECONDS_TO_STOP = 2
SECONDS_TO_CONFIRM = 5
SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_BETWEEN_INTERRUPTS = 0.2


class Call:
    """One call. It is over when the kernel has said so twice, and answers again.

    Code can forge that it is over. It cannot make its kernel answer the next request while it runs
    on in the kernel's main thread; so a second request is sent behind the code.

    Attributes:
        output: what has come so far.
        is_to_end: set it to make `run` return.
    """

    def __init__(self, channels: Channels, processes: Processes) -> None:
        self.output = Output()
        self._channels, self._processes = channels, processes
        self._request = ""
        # What the kernel has still to say; this one stands for all until the code is sent.
        self._missing = {("", "")}
        self.is_to_end = False

    async def run(self, code: str) -> str:
        """Run `code`; return why the kernel must be stopped now, or "" if it may go on."""
        deadline = time.monotonic() + sandbox_limits.WALL_SECONDS
        most = self._channels.received + sandbox_limits.OUTPUT_BYTES
        said_done = None
        interrupted = False
        try:
            async with asyncio.timeout(sandbox_limits.WALL_SECONDS):
                await self._send(code)
        except TimeoutError:
            return "It does not read its messages, and was stopped."
        except OSError:
            return "The process ended."
        while self._missing:
            if not await self._take(SECONDS_BETWEEN_LOOKS):
                return "The process ended."
            now = time.monotonic()
            if self.is_to_end:
                return "It was stopped."
            if len(self._missing) == 1 and self._confirmation in self._missing:
                said_done = said_done or now
                if now > said_done + SECONDS_TO_CONFIRM:
                    return "It said that it was done, but ran on, and was stopped."
            if interrupted and now > deadline:
                return "It had to be killed."
            if not interrupted and (now > deadline or self._channels.received > most):
                late = now > deadline
                self.output.note(
                    f"Stopped after {sandbox_limits.WALL_SECONDS} seconds, which is the limit."
                    if late
                    else "Stopped, because it printed too much."
                )
                await asyncio.to_thread(self._processes.interrupt)
                interrupted, deadline = True, now + SECONDS_TO_STOP
        return ""

    async def abandon(self) -> bool:
        """Interrupt the code until it has ended; return whether it has.

        The first time it may not have begun.
        """
        deadline = time.monotonic() + SECONDS_TO_STOP
        while self._missing and time.monotonic() < deadline and not self.is_to_end:
            await asyncio.to_thread(self._processes.interrupt)
            if not await self._take(SECONDS_BETWEEN_INTERRUPTS):
                return False
        return not self._missing

    async def _send(self, code: str) -> None:
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": False}
        self._request = await self._channels.send("execute_request", content)
        self._missing = {(self._request, "execute_reply"), (self._request, "idle")}
        second = await self._channels.send("kernel_info_request", {})
        self._confirmation = (second, "kernel_info_reply")
        self._missing.add(self._confirmation)

    async def _take(self, seconds: float) -> bool:
        """Wait for a message and take it; return whether the kernel's connections stand."""
        try:
            async with asyncio.timeout(seconds):
                message = await self._channels.receive()
        except TimeoutError:
            return True
        match message:
            case None:
                return False
            case TooLarge():
                self.output.note("An output that is too large was left out.")
            case Message(kind="status", content={"execution_state": "idle"}):
                self._missing.discard((message.request, "idle"))
            case Message(kind="execute_reply" | "kernel_info_reply"):
                self._missing.discard((message.request, message.kind))
            case Message() if message.request == self._request:
                self.output.add(message)
        return True
