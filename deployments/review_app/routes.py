"""Every route of the page, with the role that it needs."""

from blocks.review.records import Role
from deployments.review_app import (
    dashboard_page,
    health_page,
    history_page,
    item_page,
    login,
    metrics_page,
    queue_page,
    static_files,
    strip_page,
)
from deployments.review_app.call import Route

ROUTES = (
    Route("GET", "/static/{version}/{name}", static_files.static_file, None),
    Route("GET", "/health", health_page.health, None, is_json=True, is_logged=False),
    Route("GET", "/login", login.show_login, None),
    Route("POST", "/login", login.log_in, None),
    Route("POST", "/logout", login.log_out, Role.READER),
    Route("GET", "/", queue_page.queue, Role.READER),
    Route("GET", "/dashboard", dashboard_page.dashboard, Role.READER),
    Route("GET", "/metrics", metrics_page.metrics, Role.READER, is_json=True, takes_token=True),
    Route("POST", "/start", item_page.start, Role.REVIEWER),
    Route("POST", "/next", item_page.next_item, Role.REVIEWER, is_json=True),
    Route("GET", "/items/{id:int}", item_page.show_item, Role.READER),
    Route("GET", "/items/{id:int}/history", history_page.item_history, Role.READER),
    Route("GET", "/documents/{document_id}", history_page.document_history, Role.READER),
    Route("GET", "/strip", strip_page.strip, Role.REVIEWER),
    Route("POST", "/strip/claim", strip_page.claim_strip, Role.REVIEWER, is_json=True),
    Route("POST", "/strip/release", strip_page.release_strip, Role.REVIEWER, is_json=True),
    Route("GET", "/items/{id:int}/cutouts/{field}", strip_page.cutout, Role.REVIEWER, is_json=True),
    Route("POST", "/items/{id:int}/judge", strip_page.judge_field, Role.REVIEWER, is_json=True),
    Route("POST", "/items/{id:int}/unjudge", strip_page.undo_field, Role.REVIEWER, is_json=True),
    Route("GET", "/items/{id:int}/original", item_page.original, Role.READER),
    Route("GET", "/items/{id:int}/pages/{page:int}", item_page.page_picture, Role.READER, is_json=True),
    Route("GET", "/items/{id:int}/words/{page:int}", item_page.page_words, Role.READER, is_json=True),
    Route("POST", "/items/{id:int}/ahead", item_page.look_ahead, Role.REVIEWER, is_json=True),
    Route("POST", "/items/{id:int}/claim", item_page.claim_item, Role.REVIEWER, is_json=True),
    Route("POST", "/items/{id:int}/release", item_page.release_item, Role.REVIEWER, is_json=True),
    Route("POST", "/items/{id:int}/check", item_page.check, Role.REVIEWER, is_json=True),
    Route("POST", "/items/{id:int}/decide", item_page.decide_item, Role.REVIEWER, is_json=True),
    Route("POST", "/items/{id:int}/undo", item_page.undo_decision, Role.REVIEWER, is_json=True),
)
