"""Pictures of Prefect's pages during the day (day.py --pictures), in a real browser, for docs/operations.md."""

from pathlib import Path

from day_place import Place
from playwright.sync_api import Page, sync_playwright

from tests.review_page import CHROMIUM  # day_place.py puts the project on the path

WIDTH, HEIGHT = 1280, 800
FIRST_S = 300
GRAPH_HEIGHT = 540
"""Of the page of a run: below it are logs, which name this machine."""


def take(place: Place, folder: Path) -> None:
    """Photograph the list of runs, a run, its summary and a progress, the automations and the form of a deployment."""
    folder.mkdir(parents=True, exist_ok=True)
    run = place.flow_runs("take-inbox")[0]
    form = place.ask("deployments/name/process-documents/scheduled")["id"]
    of_run = {"flow_run_id": {"any_": [run["id"]]}}
    summary = place.ask("artifacts/filter", {"artifacts": {"key": {"any_": ["winnow-run"]}, **of_run}})[0]
    progress = place.ask("artifacts/filter", {"artifacts": {"key": {"any_": ["winnow-progress"]}}, "limit": 1})[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
        page.set_default_timeout(FIRST_S * 1_000)
        show(page, f"{place.prefect_url}/runs?tag=documents")
        page.get_by_text("Items per page").scroll_into_view_if_needed()
        page.mouse.move(WIDTH / 2, HEIGHT / 2)
        page.mouse.wheel(0, 580)
        page.wait_for_timeout(2_000)
        page.screenshot(path=folder / "prefect_runs.png")
        show(page, f"{place.prefect_url}/runs/flow-run/{run['id']}")
        page.set_viewport_size({"width": WIDTH, "height": GRAPH_HEIGHT})
        page.screenshot(path=folder / "prefect_run.png")
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        for name, path in (
            ("prefect_artifact", f"/artifacts/artifact/{summary['id']}"),
            ("prefect_progress", f"/artifacts/artifact/{progress['id']}"),
            ("prefect_automations", "/automations"),
            ("prefect_form", f"/deployments/deployment/{form}/run"),
        ):
            show(page, f"{place.prefect_url}{path}")
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


def show(page: Page, url: str) -> None:
    """Open a page, and wait until it has asked the server for all that it shows."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_000)  # what moves comes to rest
