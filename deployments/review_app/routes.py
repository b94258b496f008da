"""Every route of the page, with the role that it needs."""

from blocks.review.records import Role
from deployments.review_app import login, queue_page, static_files
from deployments.review_app.call import Route

ROUTES = (
    Route("GET", "/static/{name}", static_files.static_file, None),
    Route("GET", "/login", login.show_login, None),
    Route("POST", "/login", login.log_in, None),
    Route("POST", "/logout", login.log_out, Role.READER),
    Route("GET", "/", queue_page.queue, Role.READER),
)
