"""`bstdg doctor`: what is here, what is not, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import typer

from bstdg.cli.console import FAILURE, say, show_table, table
from bstdg.cli.examine import Finding, examine
from bstdg.cli.options import AsJson, DataDir

EXAMPLES = """
Examples:
  bstdg doctor
  bstdg doctor --data-dir ~/data
  bstdg doctor --json > doctor.json     what to put into a bug report

Exit status: 0 if nothing is wrong, 1 if something is. What is absent is optional: the line says what it is for.
"""


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look at the installation: engine, packages, GPU, data, tools.

    The native engine is held against the NumPy reference on random networks, and its speed is measured.
    """
    findings = list(examine(data_dir))
    wrong = sum(finding.status == "wrong" for finding in findings)
    if as_json:
        print(json.dumps({"well": not wrong, "findings": [finding._asdict() for finding in findings]}))
    else:
        _show(findings, wrong)
    if wrong:
        raise typer.Exit(FAILURE)


def _show(findings: Sequence[Finding], wrong: int) -> None:
    told = table(box=None, padding=(0, 1), show_header=False)
    part = ""
    for finding in findings:
        first = finding.part != part
        part = finding.part
        if first and told.row_count:
            told.add_row()
        told.add_row(part if first else "", finding.name, finding.status, finding.said)
    show_table(told)
    say("")
    say("nothing is wrong" if not wrong else f"{wrong} wrong: see above")
