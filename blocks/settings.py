"""Settings: the only place that reads the environment. A process reads it once and hands the record down."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from blocks.errors import SettingInvalid
from blocks.secret_url import SecretUrl

PROJECT_DIR = Path(__file__).resolve().parent.parent
SECRETS = {"database_url", "prefect_api_url", "otlp_endpoint", "passwords", "metrics_token"}
"""Settings whose values no message shows."""


class Settings(BaseSettings):
    """Every setting, from ``WINNOW_<NAME>`` in the environment. Lists are separated by commas."""

    model_config = SettingsConfigDict(env_prefix="WINNOW_", frozen=True, extra="ignore", populate_by_name=True)

    database_url: SecretUrl | None = Field(
        None,
        description="SQLAlchemy address; by default the one in the Prefect block winnow-database, then SQLite under "
        ".winnow/",
    )
    document_types_dir: Path = Field(PROJECT_DIR / "data" / "document_types", description="folder of document types")

    prefect_api_url: SecretUrl | None = Field(
        None,
        validation_alias="PREFECT_API_URL",
        description="address of the Prefect API; by default a local server, which the first run starts",
    )

    chunk_size: int = Field(100, ge=1, le=10_000, description="documents per task run")
    chunks_in_flight: int = Field(3, ge=1, le=64, description="chunks that one process works on at once")
    processes: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="documents parsed at once; also the processes that compute the stages of a large run",
    )
    max_attempts: int = Field(
        3,
        ge=1,
        description="attempts in a chunk, and as many alone, before a document that kills its worker is quarantined",
    )
    allowed_failure_share: float = Field(
        0.5, ge=0, le=1, description="share of failed documents above which a run ends as Failed"
    )

    ocr_languages: Annotated[tuple[str, ...], NoDecode] = Field(("eng",), description="tesseract language packs")
    ocr_engine: Literal["auto", "tesserocr", "pytesseract"] = Field(
        "auto", description="the OCR engine; auto: the faster one that works here"
    )
    tessdata_dir: Path | None = Field(None, description="folder of .traineddata files; by default the system's")
    passwords: Annotated[tuple[SecretStr, ...], NoDecode] = Field((), description="passwords to try on encrypted files")

    memory_limit_mb: int = Field(1024, ge=64, description="limit: memory of the process that reads a document")
    document_timeout_s: float = Field(20.0, gt=0, description="limit: seconds to parse a document")
    ocr_page_timeout_s: float = Field(10.0, gt=0, description="limit: seconds added for each page of OCR")
    max_pages: int = Field(2_000, ge=1, description="limit: pages of a document")
    max_document_mb: int = Field(200, ge=1, description="limit: size of a document")
    max_container_mb: int = Field(1_000, ge=1, description="limit: size of an archive's files, unpacked")
    max_output_mb: int = Field(64, ge=1, description="limit: extracted text and boxes of a document")
    max_image_megapixels: int = Field(120, ge=1, description="limit: pixels of an image, checked before decoding")
    max_open_files: int = Field(64, ge=16, description="limit: open files of the process that reads a document")

    budget_per_document_usd: Decimal = Field(Decimal("0.50"), ge=0, description="what models may cost per document")
    budget_per_run_usd: Decimal = Field(Decimal(10), ge=0, description="what models may cost per run")
    budget_per_day_usd: Decimal = Field(Decimal(50), ge=0, description="what models may cost per UTC day, in all runs")
    outage_wait_limit_s: float = Field(
        180.0,
        ge=0,
        validation_alias="WINNOW_MODEL_OUTAGE_PATIENCE_S",
        description="outage wait limit: seconds that a run waits for models that are down",
    )
    lease_s: float = Field(
        60.0,
        ge=1,
        description="seconds without a heartbeat after which a worker counts as dead, and others take over its claims",
    )
    database_outage_wait_s: float = Field(
        180.0, ge=0, description="outage wait limit: seconds that a run waits for a database that does not answer"
    )
    review_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="address of the review page, for links in summaries, Prefect's pages and notices",
    )
    notify_blocks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Prefect notification blocks, as type/name, that tell people about late review items; "
        "such as slack-webhook/reviewers",
    )
    escalate_again_minutes: int = Field(
        480, ge=5, description="minutes, of business hours where a type has them, after which an escalation is repeated"
    )
    review_cache_mb: int = Field(500, ge=1, description="limit: pictures of pages that the review page keeps on disk")
    keep_prompts: bool = Field(False, description="store prompts and replies of models in the database")
    log_format: Literal["text", "json"] = Field(
        "text", description="json: a JSON object per line on standard error, with run, chunk, document and call"
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="token with which a monitor asks for /metrics (Authorization: Bearer …)",
    )
    otlp_endpoint: SecretUrl | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="OTLP address (HTTP) for traces of documents and metrics of model calls; needs the extra otel",
    )
    traces_exporter: str = Field(
        "otlp", validation_alias="OTEL_TRACES_EXPORTER", description="none: no traces are sent to the OTLP address"
    )
    metrics_exporter: str = Field(
        "otlp", validation_alias="OTEL_METRICS_EXPORTER", description="none: no metrics are sent to the OTLP address"
    )
    semconv_opt_in: str = Field(
        "",
        validation_alias="OTEL_SEMCONV_STABILITY_OPT_IN",
        description="gen_ai_latest_experimental: the latest names of OpenTelemetry's conventions for models alone; "
        "gen_ai_latest_experimental/dup: also older ones",
    )
    span_queue_size: int = Field(
        16_384,
        ge=512,
        validation_alias="OTEL_BSP_MAX_QUEUE_SIZE",
        description="limit: spans that wait to be sent; more are dropped, and the log says so",
    )

    @field_validator("notify_blocks")
    @classmethod
    def _check_blocks(cls, blocks: tuple[str, ...]) -> tuple[str, ...]:
        for block in blocks:
            if not all(block.partition("/")):
                raise ValueError("a block is named as type/name, such as slack-webhook/reviewers")
        return blocks

    @field_validator("ocr_languages", "passwords", "notify_blocks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def child_environment(
    extra: Mapping[str, str],
    without: tuple[str, ...] = (),
    *,
    keeps_settings: bool = False,
    usual: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """This process's environment with `extra`, for another process; `usual` has what it gets if nothing else is set.

    Those that begin with one of `without` are left out, and Winnow's variables unless it `keeps_settings`: a process
    that outlives this one must not have them.
    """
    left_out = without if keeps_settings else ("WINNOW_", *without)
    own = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**(usual or {}), **own, **extra}


def prefect_database_url() -> SecretUrl | None:
    """The database that a Prefect server of ours uses; None where it is SQLite in the server's home."""
    url = os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL") or os.environ.get(
        "PREFECT_API_DATABASE_CONNECTION_URL"
    )
    return SecretUrl(url) if url else None


def key_variable(name: str) -> SecretStr | None:
    """The API key in a variable; None if it is not set, or blank.

    The registry of models names the variables, so they are no settings.
    """
    value = os.environ.get(name, "").strip()
    return SecretStr(value) if value else None


class Proxy(NamedTuple):
    """A proxy's address, which may hold a password, and the variable that names it."""

    url: str
    variable: str


def proxy_for(url: str) -> Proxy | None:
    """The proxy for a request to `url`, by HTTP_PROXY, HTTPS_PROXY or ALL_PROXY; None if NO_PROXY has its host.

    Names may be in any case. NO_PROXY has hosts with their subdomains, addresses, networks such as 10.0.0.0/8, or *.
    """
    parts = urlsplit(url)
    proxies = getproxies_environment()
    if proxy_bypass_environment(parts.netloc.rpartition("@")[2], proxies) or _is_excepted(parts.hostname, proxies):
        return None
    for name in (parts.scheme, "all"):
        if address := proxies.get(name):
            variable = next(key for key, value in os.environ.items() if value and key.lower() == f"{name}_proxy")
            return Proxy(address if "://" in address else f"http://{address}", variable)
    return None


def _is_excepted(host: str | None, proxies: Mapping[str, str]) -> bool:
    """Whether a host is an address in one of NO_PROXY's networks. Entries that are no network count for nothing."""
    try:
        address = ip_address(host or "")
    except ValueError:  # a name
        return False
    for entry in proxies.get("no", "").split(","):
        with suppress(ValueError):
            if "/" in entry and address in ip_network(entry.strip(), strict=False):
                return True
    return False


def prefect_profile() -> tuple[Path, str | None]:
    """The file of the user's Prefect profiles, and the active profile's name if a variable names it.

    Source: "Settings" in Prefect's documentation (PREFECT_HOME, PREFECT_PROFILES_PATH, PREFECT_PROFILE).
    """
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    file = os.environ.get("PREFECT_PROFILES_PATH")
    return Path(file).expanduser() if file else home / "profiles.toml", os.environ.get("PREFECT_PROFILE") or None


def export(variables: Mapping[str, str]) -> None:
    """Set variables in this process's environment, for a library that reads nothing else."""
    os.environ.update(variables)


_current: Settings | None = None


def load_settings() -> Settings:
    """The settings of this process, read from the environment at the first call."""
    global _current  # noqa: PLW0603 - the process's settings
    if _current is None:
        _current = _checked(Settings)
    return _current


def configure(**overrides: object) -> Settings:
    """Replace single settings of this process by a command's options; None leaves a setting unchanged."""
    global _current  # noqa: PLW0603 - as above
    given = {name: value for name, value in overrides.items() if value is not None}
    _current = _checked(lambda: Settings.model_validate(load_settings().model_dump() | given))
    return _current


_NO_SETTINGS = ("WINNOW_PASSWORD", "WINNOW_DOCUMENTS")
"""Variables of the compose file."""
_NEAR = 0.75
"""From this similarity on a name is a misspelt setting: others may be keys of models, which the registry names."""
_has_warned = False


def misspelt_variables() -> tuple[str, ...]:
    """A sentence for each variable that is nearly a setting; nothing when the process asks again."""
    global _has_warned  # noqa: PLW0603 - as above
    if _has_warned:
        return ()
    _has_warned = True
    known = {name.removeprefix("WINNOW_"): name for name in map(variable_of, Settings.model_fields)}
    unknown = sorted(
        name
        for name in os.environ
        if name.upper().startswith("WINNOW") and name.upper() not in known.values() and not _is_another(name)
    )
    near = {name: get_close_matches(_bare(name), known, n=1, cutoff=_NEAR) for name in unknown}
    return tuple(
        f"{name} is no setting and changes nothing; did you mean {known[nearest[0]]}?"
        for name, nearest in near.items()
        if nearest
    )


def _is_another(name: str) -> bool:
    return name in _NO_SETTINGS or name.startswith("WINNOW_TEST_")


def _bare(name: str) -> str:
    return name.upper().removeprefix("WINNOW").strip("_")


def variable_of(setting: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[setting].validation_alias
    return alias if isinstance(alias, str) else f"WINNOW_{setting.upper()}"


def _checked(make: Callable[[], Settings]) -> Settings:
    """The settings that `make` gives. Raises `SettingInvalid`, which shows no secret."""
    try:
        return make()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        setting = str(first["loc"][0])
        value = "***" if setting in SECRETS else str(first["input"])
        name = setting if setting not in Settings.model_fields else variable_of(setting)
        raise SettingInvalid(name, value, first["msg"]) from None
