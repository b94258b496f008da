"""Pictures of Prefect's pages during the day (day.py --pictures), in a real browser, for docs/operations.md."""

from pathlib import Path

from day_place import Place
from playwright.sync_api import Page, sync_playwright

from tests.review_page import CHROMIUM  # day_place.py puts the project on the path

WIDTH, HEIGHT = 1280, 800


def take(place: Place, folder: Path) -> None:
    """Photograph the list of runs, a run, the automations and the form of a deployment."""
    folder.mkdir(parents=True, exist_ok=True)
    run = place.flow_runs("take-inbox")[0]
    form = place.ask("deployments/name/process-documents/scheduled")["id"]
    pages = {
        "prefect_runs": "/runs",
        "prefect_run": f"/runs/flow-run/{run['id']}",
        "prefect_artifact": f"/runs/flow-run/{run['id']}?tab=Artifacts",
        "prefect_automations": "/automations",
        "prefect_form": f"/deployments/deployment/{form}/run",
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
        for name, path in pages.items():
            show(page, f"{place.prefect_url}{path}")
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


def show(page: Page, url: str) -> None:
    """Open a page, and wait until it has asked the server for all that it shows."""
    page.goto(url, timeout=120_000)
    page.wait_for_load_state("networkidle", timeout=120_000)
