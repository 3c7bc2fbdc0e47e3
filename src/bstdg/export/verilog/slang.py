"""Slang, the compiler of SystemVerilog, over an export's sources; as a program: python -P slang.py OPTION … FILE …

Stands alone (pyslang is all it imports) and runs in a process of its own, since slang prints what it finds. The exit
status is 1 where that is anything at all.
"""

from __future__ import annotations

import importlib
import sys


def main(arguments: list[str]) -> int:
    """Compile what is named on a command line as slang's own; its exit status."""
    driver = importlib.import_module("pyslang.driver").Driver()
    driver.addStandardArgs()
    if not driver.parseCommandLine(" ".join(["slang", *arguments])) or not driver.processOptions():
        return 2
    return 0 if driver.parseAllSources() and driver.runFullCompilation() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
