"""Makes data/samples and its provenance table, data/samples.md.

    python benchmarks/samples/make.py [--data ../shared/data]

Real documents come from the data folder, the others from texts/ beside this file. Every file that is made has its row
in `plan.py`; a file without one is removed.
"""

import argparse
import sys
from pathlib import Path

from plan import SAMPLES, Source

PROJECT = Path(__file__).resolve().parent.parent.parent
FOLDER = PROJECT / "data" / "samples"
TABLE = PROJECT / "data" / "samples.md"

HEAD = """# Where the samples are from

The first run processes `data/samples`. This table says where each file is from, under which licence it may be given
on, and what was done to it. It is written by `benchmarks/samples/make.py`. In the column *origin*, a set and a file
name mean that the file was taken, or drawn, from that document; figures of accuracy leave these documents out.
*Winnow* means that it was written for Winnow: all persons, firms and numbers in it are invented.

## Notices

- **einvoices**: the ZUGFeRD/Factur-X corpus, <https://github.com/ZUGFeRD/corpus>, Apache License 2.0 (the text stands
  in [LICENSE](../LICENSE)). Scans were rendered from its PDFs, as the notes say; the other files are unchanged.
- **invoice2data**: test documents of <https://github.com/invoice-x/invoice2data>, unchanged. MIT License, copyright (c)
  2014-2023 Manuel Riel and contributors. Permission is granted, free of charge, to any person obtaining a copy of this
  software and associated documentation files, to deal in the software without restriction, including the rights to use,
  copy, modify, merge, publish, distribute, sublicense and sell copies, provided that the copyright notice and this
  permission notice are included in all copies or substantial portions. The software is provided "as is", without
  warranty of any kind.
- **sroie_text**: text of receipts of the ICDAR 2019 robust reading challenge on scanned receipts (SROIE), by Z. Huang,
  K. Chen, J. He, X. Bai, D. Karatzas, S. Lu and C. V. Jawahar, as edited in
  <https://github.com/jsdnrs/ICDAR2019-SROIE>. [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). Changes: lines
  are cut at their first comma (as in the source); images were drawn anew from lines and boxes.
- **tickets**: messages of BANKING77, by I. Casanueva, T. Temcinas, D. Gerz, M. Henderson and I. Vulic (PolyAI), from
  <https://github.com/PolyAI-LDN/task-specific-datasets>. [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/).
  Changes: each message stands in a file of its own, or several in one csv.

## Files

| file | origin | licence | note |
|---|---|---|---|
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=PROJECT.parent / "shared" / "data", help="folder of real documents"
    )
    data = parser.parse_args().data
    if not data.is_dir():
        print(f"skipped: {data} is not there", file=sys.stderr)
        return 0
    source = Source(data)
    for sample in SAMPLES:
        target = FOLDER / sample.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(sample.make(source))
    made = {FOLDER / sample.file for sample in SAMPLES}
    for path in FOLDER.rglob("*"):
        if path.is_file() and path not in made:
            path.unlink()  # no longer in the plan
    rows = (f"| {s.file} | {s.origin} | {s.licence} | {s.note} |" for s in sorted(SAMPLES, key=lambda s: s.file))
    TABLE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    size_mb = sum(path.stat().st_size for path in made) / 1e6
    print(f"{len(made)} files, {size_mb:.1f} MB in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
