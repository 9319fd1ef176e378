"""Run the golden cases through any program that reads and writes as `translate` does.

Usage: python golden.py FOLDER COMMAND [ARGUMENT ...]
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path


def main(folder: str, command: list[str]) -> int:
    """Run every case, name those that come out otherwise, and return the exit status."""
    by_settings = defaultdict(list)
    for path in sorted(Path(folder).glob("*.json")):
        case = json.loads(path.read_bytes())
        by_settings[json.dumps(case.get("settings", {}))].append((path.stem, case))
    different = []
    for settings, cases in by_settings.items():
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(settings)
            file.flush()
            done = subprocess.run(  # noqa: S603 - the program that is asked for
                [*command, "--settings", file.name],
                input="".join(json.dumps(case["input"]) + "\n" for _, case in cases),
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=False,
            )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        lines += [None] * (len(cases) - len(lines))
        for (name, case), line in zip(cases, lines, strict=True):
            if line != case["output"]:
                different.append(name)
    print("\n".join(different) or "Every case comes out as it should.")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
