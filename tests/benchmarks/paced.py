"""An upstream that takes its time: each delta says when it was sent."""

import asyncio
import json
import time

import uvicorn

from assistants_server.web.http_server import LOOPBACK, listen

DELTAS = 20
SECONDS_APART = 0.005


async def app(scope, receive, send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream")],
        }
    )
    text = ""
    for _ in range(DELTAS):
        delta = f"{time.time_ns()} "
        text += delta
        event = {"type": "response.output_text.delta", "item_id": "m", "delta": delta}
        await _send(send, {**event, "output_index": 0, "content_index": 0, "sequence_number": 1})
        await asyncio.sleep(SECONDS_APART)
    message = {"id": "m", "type": "message", "content": [{"type": "output_text", "text": text}]}
    usage = {"input_tokens": 1, "output_tokens": DELTAS, "total_tokens": DELTAS + 1}
    response = {"status": "completed", "output": [message], "usage": usage}
    await _send(send, {"type": "response.completed", "response": response})
    await send({"type": "http.response.body", "body": b""})


async def _send(send, event: dict) -> None:
    body = f"data: {json.dumps(event)}\n\n".encode()
    await send({"type": "http.response.body", "body": body, "more_body": True})


if __name__ == "__main__":
    listener = listen(LOOPBACK, 0)
    print(f"http://{LOOPBACK}:{listener.getsockname()[1]}/v1", flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])
