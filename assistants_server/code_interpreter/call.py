"""Runs one piece of code in a kernel: sends it, reads the output, and enforces the limits."""

import asyncio
import time

from assistants_server.code_interpreter import sandbox_limits
from assistants_server.code_interpreter.channels import Channels, Message
from assistants_server.code_interpreter.output import Output
from assistants_server.code_interpreter.processes import Processes
from assistants_server.code_interpreter.zmtp import TooLarge

SECONDS_TO_STOP = 2
SECONDS_TO_CONFIRM = 5
SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_BETWEEN_INTERRUPTS = 0.2


class Call:
    """One call. It is over when the kernel has reported its end and answered a second request.

    Code can forge the messages that report its end. But the kernel cannot answer the second request
    while the code still runs in its main thread. Setting `is_to_end` makes `run` return.
    """

    def __init__(self, channels: Channels, processes: Processes) -> None:
        self.output = Output()
        self._channels, self._processes = channels, processes
        self._request = ""
        # The messages that the kernel has yet to send, as pairs of request id and message type.
        # Until the code has been sent, this entry prevents the set from being empty.
        self._missing = {("", "")}
        self._confirmation = ("", "")
        self.is_to_end = False

    async def run(self, code: str) -> str:
        """Run `code`. Return why the kernel must be stopped now, or "" if it can be used again."""
        deadline = time.monotonic() + sandbox_limits.WALL_SECONDS
        most = self._channels.received + sandbox_limits.OUTPUT_BYTES
        reported_end = None
        interrupted = False
        try:
            async with asyncio.timeout(sandbox_limits.WALL_SECONDS):
                await self._send(code)
        except TimeoutError:
            return "The kernel did not read its messages, so it was stopped."
        except OSError:
            return "The process ended."
        while self._missing:
            if not await self._take(SECONDS_BETWEEN_LOOKS):
                return "The process ended."
            now = time.monotonic()
            if self.is_to_end:
                return "It was stopped."
            if self._missing == {self._confirmation}:
                reported_end = reported_end or now
                if now > reported_end + SECONDS_TO_CONFIRM:
                    return "The code reported its end but kept running, so it was stopped."
            if interrupted and now > deadline:
                return "It ignored the interrupt and had to be killed."
            if not interrupted and (now > deadline or self._channels.received > most):
                too_long = f" after {sandbox_limits.WALL_SECONDS} seconds, which is the limit"
                why = too_long if now > deadline else ", because it printed too much"
                self.output.note(f"Stopped{why}.")
                await asyncio.to_thread(self._processes.interrupt)
                interrupted, deadline = True, now + SECONDS_TO_STOP
        return ""

    async def abandon(self) -> bool:
        """Interrupt the code until it has ended; return whether it has.

        One interrupt may not be enough, because it has no effect before the code begins to run.
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
        """Wait for a message and process it. Return False if the kernel has closed a connection."""
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
