"""Settings: the only place that reads the environment. A process asks once, at its edge, and hands the record down."""

import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from blocks.errors import SettingInvalid

PROJECT_DIR = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Every setting, from ``WINNOW_<NAME>`` in the environment. Lists are separated by commas."""

    model_config = SettingsConfigDict(env_prefix="WINNOW_", frozen=True, extra="ignore", populate_by_name=True)

    database_url: str | None = Field(None, description="SQLAlchemy address; by default SQLite under .winnow/")
    document_types_dir: Path = Field(PROJECT_DIR / "data" / "document_types", description="folder of document types")

    prefect_api_url: str | None = Field(
        None, validation_alias="PREFECT_API_URL", description="Prefect API; without one a server is started here"
    )

    chunk_size: int = Field(100, ge=1, le=10_000, description="documents per task run")
    chunks_in_flight: int = Field(3, ge=1, le=64, description="chunks worked at once in one process")
    processes: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="documents parsed at once")
    max_attempts: int = Field(3, ge=1, description="attempts before a document that keeps failing is quarantined")
    allowed_failure_share: float = Field(0.5, ge=0, le=1, description="share of failures above which a run is Failed")

    ocr_languages: Annotated[tuple[str, ...], NoDecode] = Field(("eng",), description="tesseract language packs")
    ocr_engine: Literal["auto", "tesserocr", "pytesseract"] = Field("auto", description="auto takes the faster one")
    tessdata_dir: Path | None = Field(None, description="folder of .traineddata files; by default the system's")
    passwords: Annotated[tuple[SecretStr, ...], NoDecode] = Field((), description="passwords to try on encrypted files")

    memory_limit_mb: int = Field(1024, ge=64, description="memory of the process that reads one document")
    document_timeout_s: float = Field(20.0, gt=0, description="wall time for parsing one document")
    ocr_page_timeout_s: float = Field(10.0, gt=0, description="wall time added per page of OCR")
    max_pages: int = Field(2_000, ge=1, description="pages of one document")
    max_document_mb: int = Field(200, ge=1, description="size of one document")
    max_output_mb: int = Field(64, ge=1, description="extracted text and boxes of one document")
    max_image_megapixels: int = Field(120, ge=1, description="pixels of one image, checked before decoding")
    max_open_files: int = Field(64, ge=16, description="open files of the process that reads one document")

    budget_per_document_usd: Decimal = Field(Decimal("0.50"), ge=0, description="what models may cost for one document")
    budget_per_run_usd: Decimal = Field(Decimal(10), ge=0, description="what models may cost in one run")
    budget_per_day_usd: Decimal = Field(Decimal(50), ge=0, description="what models may cost on one UTC day, all runs")
    model_outage_patience_s: float = Field(180.0, ge=0, description="how long models that are down are waited for")
    keep_prompts: bool = Field(False, description="keep what is said to models and what they answer in the database")
    otlp_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="OTLP address (HTTP) that spans of model calls are sent to; needs the extra otel",
    )

    @field_validator("ocr_languages", "passwords", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `extra`, for a process that outlives it and need not know Winnow's secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WINNOW_")} | dict(extra)


def key_variable(name: str) -> SecretStr | None:
    """The API key in a variable that a model's key reference names; None where it is not set, or blank.

    Not part of the settings: which variables hold keys is said by the registry of models.
    """
    value = os.environ.get(name, "").strip()
    return SecretStr(value) if value else None


def export(variables: Mapping[str, str]) -> None:
    """Put variables into this process's environment, for a library that reads nothing else."""
    os.environ.update(variables)


_current: Settings | None = None


def load_settings() -> Settings:
    """The settings of this process: read from the environment at the first call, the same ever after."""
    global _current  # noqa: PLW0603 - the one place that holds the process's settings
    if _current is None:
        _current = _checked(Settings)
    return _current


def configure(**overrides: object) -> Settings:
    """Replace single settings for this process (a command's options); None leaves a setting as it is."""
    global _current  # noqa: PLW0603 - as above
    given = {name: value for name, value in overrides.items() if value is not None}
    _current = _checked(lambda: Settings.model_validate(load_settings().model_dump() | given))
    return _current


def variable_of(setting: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[setting].validation_alias
    return alias if isinstance(alias, str) else f"WINNOW_{setting.upper()}"


def _checked(make: Callable[[], Settings]) -> Settings:
    """What `make` gives. Raises `SettingInvalid`, which shows no value of a secret."""
    try:
        return make()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        setting = str(first["loc"][0])
        value = "***" if setting == "passwords" else str(first["input"])
        name = setting if setting not in Settings.model_fields else variable_of(setting)
        raise SettingInvalid(name, value, first["msg"]) from None
