"""A server that does no work: the same calls, answered at once with fixed bodies.

It stands for the least that any server costs a client, on the same HTTP stack as ours.
``python -m tests.benchmarks.canned`` runs it alone and prints its address.
"""

import json
import threading

import uvicorn

from assistants_server.web.http_server import LOOPBACK, listen

THREAD = {"id": "thread_1", "object": "thread", "created_at": 1, "metadata": {}}
MESSAGE = {
    "id": "msg_1",
    "object": "thread.message",
    "created_at": 1,
    "thread_id": "thread_1",
    "role": "user",
    "status": "completed",
    "content": [{"type": "text", "text": {"value": "2 + 2 = 4.", "annotations": []}}],
}
RUN = {
    "id": "run_1",
    "object": "thread.run",
    "created_at": 1,
    "thread_id": "thread_1",
    "assistant_id": "asst_1",
    "status": "queued",
    "model": "m",
    "instructions": "",
    "tools": [],
    "parallel_tool_calls": True,
}
MESSAGES = {"object": "list", "data": [MESSAGE, MESSAGE], "has_more": False}
BODIES = {
    ("POST", "/v1/threads"): THREAD,
    ("POST", "/v1/threads/thread_1/messages"): MESSAGE,
    ("POST", "/v1/threads/thread_1/runs"): RUN,
    ("GET", "/v1/threads/thread_1/runs/run_1"): {**RUN, "status": "completed"},
    ("GET", "/v1/threads/thread_1/messages"): MESSAGES,
}
READY = {key: json.dumps(body).encode() for key, body in BODIES.items()}


async def app(scope, receive, send) -> None:
    while (await receive()).get("more_body"):
        pass
    body = READY[scope["method"], scope["path"]]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Canned:
    """The server in a background thread, as ours runs under a notebook."""

    token = "canned"

    def __init__(self) -> None:
        self._socket = listen(LOOPBACK, 0)
        self.base_url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}/v1"
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        self._uvicorn = uvicorn.Server(config)

    def run(self) -> None:
        self._uvicorn.run(sockets=[self._socket])

    def start(self) -> None:
        threading.Thread(target=self.run, daemon=True).start()

    def stop(self) -> None:
        self._uvicorn.should_exit = True


if __name__ == "__main__":
    canned = Canned()
    print(f"export OPENAI_BASE_URL={canned.base_url}")
    print(f"export OPENAI_API_KEY={canned.token}", flush=True)
    canned.run()
