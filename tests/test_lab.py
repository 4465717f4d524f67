"""Notebook 09 as a person meets it: in JupyterLab, in a browser, with a form to fill in."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from notebooks.book.chapters import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
TOKEN = "lab-of-the-test"
ATTEMPTS = 4

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {BROWSERS} is installed")


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on a copy of the book; yields its address."""
    for room in ("helpers", "assistants_server", "notebooks"):
        shutil.copytree(ROOT / room, tmp_path / "book" / room)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    process = subprocess.Popen(
        [
            *[sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"],
            *[f"--port={port}", "--ServerApp.port_retries=0", "--ip=127.0.0.1"],
            *[f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={tmp_path / 'book'}"],
        ],
        env={**os.environ, **home, "ASSISTANTS_DB": str(tmp_path / "lab.db")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "JupyterLab did not start"
            time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture
def page():
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", *quiet]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1400})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def run_all_cells(page) -> None:
    """Run the notebook as a person does, who picks a kernel first if JupyterLab asks for one."""
    select = page.get_by_role("button", name="Select", exact=True)
    if select.is_visible():
        select.click()
        select.wait_for(state="hidden")
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).click()


def test_a_person_fills_in_the_quiz(lab, page):
    from playwright.sync_api import TimeoutError

    page.goto(f"{lab}/lab/tree/notebooks/09_display_quiz.ipynb?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.get_by_text("(ipykernel) | Idle").wait_for(state="visible")
    submit = page.get_by_role("button", name="Submit")
    for _ in range(ATTEMPTS):  # on a busy machine JupyterLab may ask for a kernel in between
        run_all_cells(page)
        try:
            submit.wait_for(state="visible", timeout=30_000)
            break
        except TimeoutError:
            continue
    choices = page.locator(".widget-radio input[type=radio]")
    boxes = page.locator(".widget-textarea textarea")
    assert choices.count() == 4
    assert boxes.count() == 2

    page.locator(".widget-radio label", has_text="linear algebra").locator("input").check()
    boxes.first.fill("It studies vectors, and matrices that transform them.")
    submit.click()

    feedback = page.locator(".widget-html div[style]", has_text="You got")
    feedback.wait_for(state="visible")
    text = feedback.inner_text()
    assert text.startswith("You got 2 of 3 right.")
    assert text.count("Right.") == 2
    assert "Not answered." in text
    assert submit.is_disabled()
