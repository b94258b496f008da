"""Documents that no figure may count, because they stand among the samples that people look at and tune by."""

import re
from pathlib import Path

TABLE = Path(__file__).resolve().parent.parent / "data" / "samples.md"


def sample_names() -> frozenset[str]:
    """Names, without folder and ending, of the documents of the data folder that samples were made from."""
    names: set[str] = set()
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and "/" in cells[1]:
            names.add(Path(cells[1]).stem)
            names.update(re.findall(r"\bD\d{5}\b", cells[3]))
    return frozenset(names - {"labels"})
