"""The page's own scripts and styles. Their addresses change with their content, so browsers keep them."""

from fastapi import Response

from deployments.review_app.call import Call


def static_file(call: Call) -> Response:
    """A file of the folder `static`."""
    found = call.site.static.get(str(call.path["name"]))
    if found is None:
        return Response("there is no such file", 404, media_type="text/plain")
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": "public, max-age=31536000, immutable"})
