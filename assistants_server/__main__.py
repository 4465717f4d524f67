"""``assistants-server``, or ``python -m assistants_server``: the server alone, for any client."""

import argparse
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import load_dotenv

from assistants_server import __version__, logs
from assistants_server.code_interpreter import notice
from assistants_server.default_paths import default_database, settings_file
from assistants_server.engine import SettingsError, Upstream, trouble, unused_address
from assistants_server.server import Server
from assistants_server.store import StoreError
from assistants_server.web.http_server import ALL_ADDRESSES, LOOPBACK, is_loopback

COMMAND = "assistants-server"
SHORTEST_TOKEN = 16
GARBAGE = 10_000  # new objects before a search for cycles; Python's own 700 are one request's


def main() -> None:
    """Serve until Ctrl+C or SIGTERM.

    Raises:
        SystemExit: a switch or a setting is wrong, or the server cannot start.
    """
    with suppress(KeyboardInterrupt):  # uvicorn stops, and then raises it again
        _serve()


def _serve() -> None:
    load_dotenv(settings_file())
    options = _options()
    token = os.environ.get("ASSISTANTS_TOKEN") or None
    _check_token(options.host, token)
    try:
        upstream = Upstream.from_environment()
    except SettingsError as error:
        sys.exit(f"assistants_server: {error}")
    logs.configure(in_full=options.log_in_full)
    try:
        server = Server(
            options.db, options.host, options.port, upstream, token, options.unsafe_code
        )
    except StoreError as error:
        sys.exit(f"assistants_server: {error}")
    except (OSError, OverflowError) as error:
        sys.exit(
            f"assistants_server: cannot listen on {options.host}:{options.port} ({error}). "
            "Choose another with --port, or 0 for any free one."
        )
    _check_upstream(server, upstream)
    if upstream and (wrong := trouble(upstream, os.environ.get("OPENAI_MODEL") or None)):
        print(f"assistants_server: {upstream.shown}: {wrong}", file=sys.stderr)
    if unused := unused_address():
        print(f"assistants_server: {unused}", file=sys.stderr)
    gc.freeze()  # what is imported stays, so there is no need to look through it again and again
    gc.set_threshold(GARBAGE)
    server.run(lambda: _announce(server, upstream, token))


def _announce(server: Server, upstream: Upstream | None, token: str | None) -> None:
    if warning := notice(server.unsafe_code):
        print(warning)
    who = (
        f"a model at {upstream.shown} answers (live)" if upstream else "the tutor answers (offline)"
    )
    print(f"The Assistants API is listening; {who}. Clients need these two variables:\n")
    print(f"export OPENAI_BASE_URL={server.base_url}")
    print(f"export OPENAI_API_KEY={server.token if token is None else '(your ASSISTANTS_TOKEN)'}")
    if server.all_addresses:
        print("\nOn other machines, put the name or the address of this one into the first.")
    print(
        "\nStop it with Ctrl+C. Set them in the shell of the client, not in this one.", flush=True
    )


def _options() -> argparse.Namespace:
    by_command = Path(sys.argv[0]).stem == COMMAND  # else sys.argv[0] is this file
    parser = argparse.ArgumentParser(
        prog=COMMAND if by_command else "python -m assistants_server",
        description="Serve OpenAI's Assistants API on this machine. With OPENAI_API_KEY set, a "
        "model answers, at OpenAI or at OPENAI_BASE_URL; without it the offline tutor does. "
        "ASSISTANTS_TOKEN sets the token that clients must send; by default each start makes one.",
    )
    parser.add_argument("--version", action="version", version=f"{COMMAND} {__version__}")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="port, 0 for any (%(default)s)")
    parser.add_argument(
        "--db", type=Path, default=default_database(), help="database file (%(default)s)"
    )
    parser.add_argument(
        "--unsafe-code",
        action="store_true",
        help="run code that a model writes without isolation, although others can reach the server",
    )
    parser.add_argument(
        "--log-in-full",
        action="store_true",
        help="log errors with their words and tracebacks, which may quote what users wrote",
    )
    return parser.parse_args()


def _check_token(host: str, token: str | None) -> None:
    if token is not None and len(token) < SHORTEST_TOKEN:
        sys.exit(f"assistants_server: ASSISTANTS_TOKEN needs at least {SHORTEST_TOKEN} characters.")
    if token is None and not is_loopback(host):
        sys.exit(
            f"assistants_server: others can reach {host}, so it needs a token that you choose. Set "
            f"ASSISTANTS_TOKEN to at least {SHORTEST_TOKEN} characters, or listen on {LOOPBACK}."
        )


def _check_upstream(server: Server, upstream: Upstream | None) -> None:
    if upstream is None:
        return
    theirs, ours = urlsplit(upstream.base_url), urlsplit(server.base_url)
    here = is_loopback(theirs.hostname or "") or theirs.hostname in (ours.hostname, *ALL_ADDRESSES)
    if here and theirs.port == ours.port:
        sys.exit(
            "assistants_server: OPENAI_BASE_URL names this server itself. Unset it, and "
            "OPENAI_API_KEY, in the shell that starts the server; they are for the clients."
        )


if __name__ == "__main__":
    main()
