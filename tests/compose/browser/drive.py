"""A person at JupyterLab: opens the first page, opens a notebook, runs all of it, and sees progress, no error, and a chart.

It knows what JupyterLab looks like, and nothing of Docker or Spark. It prints one line of JSON about what it saw, or ends with
a sentence. The machine that runs it needs chromium and the package playwright.

drive.py --url http://127.0.0.1:8888/lab?token=... --notebook notebooks/04_compare.ipynb --out DIR [--timeout SECONDS]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from playwright.sync_api import Error, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# No sandbox: a container has no user namespaces to make one of. The rest keeps the browser from calling home.
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SWITCHES += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
SIZE = {"width": 1400, "height": 900}
START = 90  # seconds until JupyterLab has drawn its page
FIRST_NOTEBOOK = "00_check_the_lab.ipynb"

# What is to be read from the page. JupyterLab draws only the cells near the view.
TABS = "[...document.querySelectorAll('#jp-main-dock-panel .lm-TabBar-tab')].map(tab => tab.innerText.trim())"
FOLDERS = """[...document.querySelectorAll('.jp-DirListing-itemText')]
    .filter(item => item.getBoundingClientRect().height).map(item => item.innerText.trim())"""
PROGRESS = """(() => { const seen = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .inferlab-live');
    return seen && {tasks: +seen.dataset.tasks, rows: +seen.dataset.rows,
                    bars: seen.querySelectorAll('[role=progressbar]').length}; })()"""
# Brings the display to the middle of the page, and says whether it is there and shows a job that is at work.
SHOW_PROGRESS = """(() => { const seen = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .inferlab-live');
    if (!seen) return false;
    const middle = seen.getBoundingClientRect().top;
    if (middle > 250 && middle < 500) return +seen.dataset.rows > 0 && /tasks, \\d+ running/.test(seen.innerText);
    seen.scrollIntoView({block: 'center'}); return false; })()"""
VISIBLE = ".jp-NotebookPanel:not(.lm-mod-hidden)"


class Disappointment(Exception):
    """A person would not have seen what was promised."""


def look(page: Page, url: str, notebook: str, out: Path, timeout: float) -> dict:
    """Do what a person does. Returns what was seen; raises `Disappointment`."""
    seen = first_page(page, url)
    page.screenshot(path=out / "first_page.png")
    open_notebook(page, url, notebook)
    deadline = time.monotonic() + timeout
    run_all(page)
    seen |= {"progress": watch(page, out, deadline)}
    until(page, "all cells have finished", lambda: finished(page), deadline)
    seen |= {"seconds": round(timeout - (deadline - time.monotonic()), 1)}
    return seen | ended(page, out)


def first_page(page: Page, url: str) -> dict:
    """JupyterLab, with the first notebook in front, the lab's folders, a terminal, the memory, and no question to answer."""
    page.goto(url)
    deadline = time.monotonic() + START
    until(page, f"{FIRST_NOTEBOOK} is open in front", lambda: FIRST_NOTEBOOK in current_tab(page), deadline)
    # Its tab is called what the shell wants it to be called.
    until(page, "a terminal is open", lambda: page.locator(".jp-Terminal .xterm-screen").count() > 0, deadline)
    until(page, "the status bar shows the memory", lambda: "Mem:" in page.inner_text("#jp-main-statusbar"), deadline)
    until(page, "the kernel is ready", lambda: "Idle" in page.inner_text("#jp-main-statusbar"), deadline)
    until(page, "the file browser shows the lab's folders", lambda: {"notebooks", "share_storages"} <= folders(page), deadline)
    no_question(page)
    memory = next(part for part in page.inner_text("#jp-main-statusbar").splitlines() if part.startswith("Mem:"))
    return {"tabs": [tab for tab in page.evaluate(TABS) if tab], "folders": sorted(folders(page)), "memory": memory}


def open_notebook(page: Page, url: str, notebook: str) -> None:
    """Open it as its link does, in the same workspace; a person would click its name in the file browser."""
    parts = urlsplit(url)
    page.goto(urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/tree/{notebook}")))
    deadline = time.monotonic() + START
    until(page, f"{notebook} is open in front", lambda: Path(notebook).name in current_tab(page), deadline)
    until(page, "its kernel is ready", lambda: "Idle" in page.inner_text("#jp-main-statusbar"), deadline)
    no_question(page)


def run_all(page: Page) -> None:
    """Clear what earlier runs left, so that every output seen later is of this one, and run."""
    choose(page, "Edit", "Clear Outputs of All Cells")
    choose(page, "Run", "Run All Cells")


def watch(page: Page, out: Path, deadline: float) -> dict:
    """Wait until the display of Spark's jobs has moved twice, and take its picture with some rows in it."""
    counts: list[tuple[int, int]] = []

    def moved() -> bool:
        no_error(page)
        if shown := page.evaluate(PROGRESS):
            if (shown["tasks"], shown["rows"]) not in counts:
                counts.append((shown["tasks"], shown["rows"]))
            return len(counts) > 2 and shown["bars"] > 0 and shown["rows"] > 0
        if finished(page):
            raise Disappointment(f"The notebook ended, and its progress moved {len(counts)} times only.")
        return False

    until(page, "the progress of Spark's jobs moves", moved, deadline)
    until(page, "the bar of a job is in view", lambda: page.evaluate(SHOW_PROGRESS), deadline)
    page.screenshot(path=out / "progress.png")
    return {"counts": counts, "text": " | ".join(page.locator(f"{VISIBLE} .inferlab-live").first.inner_text().splitlines())}


def ended(page: Page, out: Path) -> dict:
    """What the finished notebook shows: no error, the lines that Spark left, and a chart, of which a picture is taken."""
    no_error(page)
    # Cells far from the view are not drawn: the way to the last one passes all of them.
    lines, charts = [], 0
    for cell in range(page.locator(f"{VISIBLE} .jp-Cell").count()):
        page.locator(f"{VISIBLE} .jp-Cell").nth(cell).scroll_into_view_if_needed()
        no_error(page)
        for line in page.locator(f"{VISIBLE} .inferlab-done").all_text_contents():
            lines += [line] if line not in lines else []
        charts = max(charts, page.locator(f"{VISIBLE} .jp-OutputArea-output img").count())
    if not charts:
        raise Disappointment("The notebook shows no chart.")
    page.locator(f"{VISIBLE} .jp-OutputArea-output img").first.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # the browser draws what came into view; nothing is tested after this
    page.screenshot(path=out / "chart.png")
    return {"lines": lines, "charts": charts}


def choose(page: Page, menu: str, command: str) -> None:
    """Choose a command from a menu of JupyterLab."""
    page.locator("#jp-MainMenu .lm-MenuBar-itemLabel", has_text=menu).first.click()
    page.locator(".lm-Menu-itemLabel").get_by_text(command, exact=True).click()


def finished(page: Page) -> bool:
    """Whether no cell runs or waits to run; the kernel's word counts, because a cell that is not drawn has no prompt."""
    waits = page.locator(f"{VISIBLE} .jp-InputPrompt").get_by_text("[*]:", exact=True).count()
    return not waits and "Idle" in page.inner_text("#jp-main-statusbar")


def no_error(page: Page) -> None:
    """Raise what an error in an output says."""
    errors = page.locator(f"{VISIBLE} [data-mime-type='application/vnd.jupyter.error']")
    if errors.count():
        raise Disappointment(f"A cell ended with an error: {errors.first.inner_text().strip().splitlines()[-1]}")


def no_question(page: Page) -> None:
    """Raise what a dialog or a notification asks."""
    for asked in page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts():
        raise Disappointment(f"JupyterLab asks: {' '.join(asked.split())}")


def current_tab(page: Page) -> str:
    """The name of the tab in front."""
    return " ".join(page.locator("#jp-main-dock-panel .lm-TabBar-tab.jp-mod-current").all_inner_texts())


def folders(page: Page) -> set[str]:
    """What the file browser lists."""
    return set(page.evaluate(FOLDERS))


def until(page: Page, what: str, holds: Callable[[], bool], deadline: float) -> None:
    """Wait for something that the page comes to show."""
    while not holds():
        if time.monotonic() > deadline:
            raise Disappointment(f"In vain waited until {what}.")
        page.wait_for_timeout(200)


def main() -> int:
    """Drive a browser as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="of JupyterLab, with its token")
    parser.add_argument("--notebook", required=True, help="its path below JupyterLab's folder")
    parser.add_argument("--out", required=True, type=Path, help="folder for the pictures")
    parser.add_argument("--timeout", type=float, default=900, help="seconds that the notebook may take")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = browser.new_page(viewport=SIZE)
        try:
            print(json.dumps(look(page, asked.url, asked.notebook, asked.out, asked.timeout)))
        except (Disappointment, Error) as error:
            page.screenshot(path=asked.out / "disappointment.png")
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
