"""A page of HTML that stands alone: figures, pictures and tables, without a script and without another file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deployments import review_app
from deployments.review_app.charts import Chart

_ROOM = Path(str(review_app.__file__)).parent
_PAGE = """\
{% from 'chart.html' import picture %}
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title><style>{{ style }}</style></head>
<body><main class="dashboard">
<h1>{{ heading }}</h1>
{% for section in sections %}
{% if section.title %}<h2>{{ section.title }}</h2>{% endif %}
{% if section.sentences %}<ul>{% for sentence in section.sentences %}<li>{{ sentence }}</li>{% endfor %}</ul>{% endif %}
{% if section.tiles %}<dl class="tiles">
{% for figure, name in section.tiles %}<div><dt>{{ name }}</dt><dd>{{ figure }}</dd></div>{% endfor %}
</dl>{% endif %}
{% set level = 'h3' if section.title else 'h2' %}
<div class="charts">{% for chart in section.charts %}{{ picture(chart, level) }}{% endfor %}
{% if section.small %}
<section class="chart whole"><{{ level }}>{{ section.small_title }}</{{ level }}>
<p class="note">{{ section.small_note }}</p>
<div class="small many">{% for chart in section.small %}{{ picture(chart, 'h4') }}{% endfor %}</div></section>
{% endif %}
{% for table in section.tables %}{% if table.rows %}
<section class="chart whole"><{{ level }}>{{ table.title }}</{{ level }}>
{% if table.note %}<p class="note">{{ table.note }}</p>{% endif %}
<div class="scroll"><table><thead><tr>
{% for name in table.head %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for row in table.rows %}<tr>{% for cell in row %}
{% if loop.first %}<th scope="row">{{ cell }}</th>{% else %}<td>{{ cell }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}</tbody></table></div></section>
{% endif %}{% endfor %}
</div>{% endfor %}
</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page. One without rows is left out."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page. `tiles` are figures with their names. `small` are pictures that belong together."""

    sentences: Sequence[str]
    charts: Sequence[Chart]
    title: str = ""
    tiles: Sequence[tuple[str, str]] = ()
    small: Sequence[Chart] = ()
    small_title: str = ""
    small_note: str = ""
    tables: Sequence[Table] = ()


def page(title: str, heading: str, sections: Sequence[Section]) -> str:
    """The page. Its pictures are those of the review page's dashboard in kind and style."""
    loader = FileSystemLoader(_ROOM / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    style = "".join((_ROOM / "static" / name).read_text("utf-8") for name in ("page.css", "dashboard.css"))
    return environment.from_string(_PAGE).render(title=title, heading=heading, sections=sections, style=_Style(style))


class _Style(str):
    """Style sheets of the project's own, which are not escaped."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)
