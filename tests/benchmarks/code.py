"""What the sandbox costs: beside a bare kernel of jupyter_client, in pairs."""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from jupyter_client import AsyncKernelManager

from assistants_server.code_interpreter import CodeInterpreter, isolation
from assistants_server.store import Store

STARTS = 7
CALLS = 60


class Bare:
    """A kernel as jupyter_client starts it, with nothing around it."""

    async def start(self) -> None:
        self.manager = AsyncKernelManager()
        await self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        await self.client.wait_for_ready(timeout=60)

    async def execute(self, code: str) -> None:
        request = self.client.execute(code)
        while True:
            message = await self.client.get_iopub_msg(timeout=60)
            if (
                message["parent_header"].get("msg_id") == request
                and message["msg_type"] == "status"
                and message["content"]["execution_state"] == "idle"
            ):
                return

    async def stop(self) -> None:
        self.client.stop_channels()
        await self.manager.shutdown_kernel(now=True)


async def first_calls(interpreter: CodeInterpreter) -> list[tuple[float, float]]:
    measured = []
    for number in range(STARTS + 1):
        bare, started = Bare(), time.perf_counter()
        await bare.start()
        await bare.execute("print(1)")
        theirs = time.perf_counter() - started
        await bare.stop()
        started = time.perf_counter()
        await interpreter.run(f"thread_{number}", "print(1)", [])
        ours = time.perf_counter() - started
        await interpreter.forget(f"thread_{number}")
        measured.append((ours * 1000, theirs * 1000))
    return measured[1:]  # the first pair warms the disk's cache


async def warm_calls(interpreter: CodeInterpreter) -> list[tuple[float, float]]:
    bare, measured = Bare(), []
    await bare.start()
    await interpreter.run("thread_warm", "1", [])
    for _ in range(CALLS):
        started = time.perf_counter()
        await bare.execute("print(1)")
        theirs = time.perf_counter() - started
        started = time.perf_counter()
        await interpreter.run("thread_warm", "print(1)", [])
        measured.append(((time.perf_counter() - started) * 1000, theirs * 1000))
    await bare.stop()
    return measured


async def measure(folder: str) -> None:
    store = Store(Path(folder) / "bench.db")
    interpreter = CodeInterpreter(store)
    first, warm = await first_calls(interpreter), await warm_calls(interpreter)
    await interpreter.close()
    store.close()
    print(f"code interpreter, {isolation()}")
    print(f"first call of a thread, median of {STARTS} pairs")
    print(f"  ours          {median(a for a, _ in first):7.1f} ms")
    print(f"  bare kernel   {median(b for _, b in first):7.1f} ms")
    print(f"  ratio         {median(a / b for a, b in first):7.2f}    (target: at most 1.5)")
    print(f"a warm call, median of {CALLS} pairs")
    print(f"  ours          {median(a for a, _ in warm):7.1f} ms")
    print(f"  bare execute  {median(b for _, b in warm):7.1f} ms")
    print(f"  added         {median(a - b for a, b in warm):7.1f} ms (target: less than 30)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(folder))


if __name__ == "__main__":
    main()
