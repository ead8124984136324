"""Builds everything a run directory holds below its events, from plan.yaml and events/ alone."""

from ledger.rundir import RunDir
from plan import run as plans
from reports.analysis import analyse
from reports.cases import cases
from reports.findings import Findings
from reports.stories import Stories
from reports.write import figures, junit, page, summary
from reports.write import findings as findings_file
from reports.write.orders import columns

DESPITE = "--despite-broken-evidence"


def build(run: RunDir, *, despite_broken: bool = False) -> Findings:
    """Writes findings.json, orders.parquet, figures/, report.html, junit.xml and summary.md, byte for byte the same
    when repeated. DocumentError if plan.yaml cannot be read, BrokenEvidence before anything is written where journals
    were changed, unless told to go on; what was cut or is missing is told in the claims."""
    plan = plans.load(run.plan)
    stories = Stories(run, plan)
    try:
        analysis = analyse(stories)
        if not despite_broken:
            analysis.basis.verified.insist(run, f"{DESPITE} goes on all the same")
        stories.write_parquet(run.orders, columns(analysis))
    finally:
        stories.close()
    findings = analysis.findings
    findings_file.write(findings, run.findings)
    drawn = figures.draw(findings, run.figures)
    page.write(findings, plan, drawn, cases(run, plan), run.report)
    junit.write(findings, run.junit)
    summary.write(findings, run.summary)
    return findings
