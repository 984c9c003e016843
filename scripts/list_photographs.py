"""Write the list at the end of docs/data.md: split, name, source, licence and SHA-256 of the photographs used.

    python scripts/list_photographs.py FOLDER

FOLDER has SOURCES.tsv (split, name, "licence (source)") beside the sub-folders train, validation and test.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "docs/data.md"
MARK = "<!-- what follows is written by scripts/list_photographs.py -->\n"


def main() -> None:
    """List them."""
    root = Path(sys.argv[1])
    with (root / "SOURCES.tsv").open(encoding="utf-8") as file:
        sources = list(csv.DictReader(file, delimiter="\t"))
    rows = []
    for row in sources:
        (path,) = (root / row["split"]).glob(f"{row['name']}.*")
        licence, _, source = row["licence (source)"].rpartition(" (")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append([row["split"], path.name, source.rstrip(")"), licence, digest])
    order = {"train": 0, "validation": 1, "test": 2}
    rows.sort(key=lambda row: (order[row[0]], row[1]))
    table = ["| split | file | source | licence | SHA-256 |", "| --- | --- | --- | --- | --- |"]
    table += [f"| {' | '.join(row)} |" for row in rows]
    before, mark, _ = OUT.read_text("utf-8").partition(MARK)
    OUT.write_text(before + mark + "\n" + "\n".join(table) + "\n", "utf-8")
    print(f"{OUT}: {len(rows)} photographs")


if __name__ == "__main__":
    main()
