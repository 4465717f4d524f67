"""How much of each prompt is the same as the one before in its thread, over chapters 03 and 08.

What is the same at the beginning, a provider's cache can hold. Prompts that leave out the beginning
of their thread, because the caller asked for its last messages only, cannot keep it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from assistants_server.engine import Upstream
from notebooks.book.chapters import NOTEBOOKS, ROOT
from tests.fault_proxy import FaultProxy
from tests.serving import serving
from tests.test_prompt_prefix import rendered, same

CHAPTERS = ("03_runs", "08_file_search")


def main() -> None:
    print("share of a prompt that begins like the one before in its thread (target: 90 %)")
    for chapter in CHAPTERS:
        kept, could_be, cut = measure(prompts_of(chapter))
        print(
            f"  {chapter:<16} {100 * kept / could_be:5.1f} %   ({cut} more begin later on request)"
        )


def prompts_of(chapter: str) -> list[dict]:
    """Return the requests that a model's server gets while a chapter runs."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "a.db") as server,
        FaultProxy(Upstream(server.base_url, server.token)) as proxy,
    ):
        model = proxy.upstream
        subprocess.run(
            [sys.executable, "-m", "notebooks.book.live", NOTEBOOKS / f"{chapter}.ipynb"],
            cwd=ROOT,
            env={
                **os.environ,
                "OPENAI_BASE_URL": model.base_url,
                "OPENAI_API_KEY": model.api_key,
            },
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return [body for body in proxy.seen if "prompt_cache_key" in body]


def measure(prompts: list[dict]) -> tuple[int, int, int]:
    """Return the characters kept, those that could be, and how many prompts begin later."""
    last: dict[str, dict] = {}
    kept = could_be = cut = 0
    for body in prompts:
        before = last.get(body["prompt_cache_key"])
        last[body["prompt_cache_key"]] = body
        if before and before["input"][0] == body["input"][0]:
            could_be += len(rendered(before))
            kept += same(rendered(before), rendered(body))
        elif before:
            cut += 1
    return kept, could_be, cut


if __name__ == "__main__":
    main()
