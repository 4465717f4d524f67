"""A client that is connected to an Assistants API, wherever one is to be had."""

import atexit
import os
import warnings
from collections.abc import Sequence
from functools import cache

from dotenv import load_dotenv
from openai import DefaultHttpxClient, OpenAI

from assistants_server.default_paths import default_database, settings_file
from assistants_server.terminal_escapes import without_escapes
from helpers.tracing import start_agentops

load_dotenv(settings_file())

MODEL = os.environ.get("OPENAI_MODEL") or "gpt-6-luna"
# What the SDK says at every Assistants call. Our readers know: notebook 00 tells them.
DEPRECATED = r"(deprecated|The Assistants API is deprecated.*)$"
OFFLINE = "Offline: the scripted tutor answers."


def connect(tags: Sequence[str] = ()) -> OpenAI:
    """Return an OpenAI client for the Assistants API, and print what it is connected to.

    Starts AgentOps, so that what is called from now on can be traced: see `helpers.tracing`.

    Three environment variables, or lines of the file `.env`, decide:

    - `ASSISTANTS_BASE_URL` (remote): the client goes to that service, with `ASSISTANTS_API_KEY`.
    - `OPENAI_API_KEY` (live): a server is started in this process, and asks OpenAI, or the server
      that `OPENAI_BASE_URL` names, for each model turn.
    - none of them (offline): the server is started, and the scripted tutor answers.

    Args:
        tags: for every trace that is started later.

    Raises:
        SettingsError: `OPENAI_API_KEY`, or a proxy of the environment, cannot be used.
        StoreError: the server's database cannot be used.
        ValueError: a variable that switches tracing is neither true nor false.
    """
    start_agentops(tags)
    warnings.filterwarnings("ignore", DEPRECATED, DeprecationWarning)
    if remote := os.environ.get("ASSISTANTS_BASE_URL"):
        print(f"Assistants API at {without_escapes(remote)} (remote).")
        return OpenAI(base_url=remote, api_key=os.environ.get("ASSISTANTS_API_KEY") or "none")
    server, upstream = _server()
    who = f"Live: {MODEL} at {upstream.shown} answers." if upstream else OFFLINE
    from assistants_server.code_interpreter import notice

    print(f"Assistants API on this machine ({server.base_url}). {who} {notice()}".rstrip())
    from assistants_server.engine import trouble, unused_address

    if wrong := trouble(upstream, MODEL) if upstream else unused_address():
        print(wrong)
    here = DefaultHttpxClient(trust_env=False)  # no proxy is asked for this machine
    atexit.register(here.close)
    return OpenAI(base_url=server.base_url, api_key=server.token, http_client=here)


@cache
def _server():
    """Start the server of this process; return it and its upstream, later calls the same."""
    from assistants_server.engine import Upstream
    from assistants_server.server import Server

    upstream = Upstream.from_environment()
    server = Server(default_database(), upstream=upstream)
    server.start()
    atexit.register(server.stop)
    return server, upstream
