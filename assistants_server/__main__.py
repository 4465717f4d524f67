"""``python -m assistants_server``: the server alone, for any client."""

import argparse
import sys
from pathlib import Path

from assistants_server.places import default_database
from assistants_server.server import Server
from assistants_server.serving import LOOPBACK
from assistants_server.store import StoreError


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m assistants_server",
        description="Serve OpenAI's Assistants API on this machine. Stop it with Ctrl+C.",
    )
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="port, 0 for any (%(default)s)")
    parser.add_argument(
        "--db", type=Path, default=default_database(), help="database file (%(default)s)"
    )
    options = parser.parse_args()
    try:
        server = Server(options.db, options.host, options.port)
    except StoreError as error:
        sys.exit(f"assistants_server: {error}")
    except (OSError, OverflowError) as error:
        sys.exit(
            f"assistants_server: cannot listen on {options.host}:{options.port} ({error}). "
            "Choose another with --port, or 0 for any free one."
        )
    print("The Assistants API is listening. Clients need these two variables:\n")
    print(f"export OPENAI_BASE_URL={server.base_url}")
    print(f"export OPENAI_API_KEY={server.token}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
