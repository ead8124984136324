"""Builds everything a run directory holds below its events, from plan.yaml and events/ alone."""

from ledger.rundir import RunDir
from plan import run as plans
from reports import sheet
from reports.analysis import analyse
from reports.findings import Findings
from reports.stories import Stories
from reports.write import figures, junit, page, summary
from reports.write import findings as findings_file
from reports.write.orders import columns


def build(run: RunDir) -> Findings:
    """Writes findings.json, orders.parquet, figures/, report.html, junit.xml and summary.md, byte for byte the same
    when repeated. DocumentError if plan.yaml cannot be read; damaged or missing journals are told in the claims."""
    plan = plans.load(run.plan)
    stories = Stories(run, plan)
    try:
        analysis = analyse(stories)
        stories.write_parquet(run.orders, columns(analysis))
    finally:
        stories.close()
    findings = analysis.findings
    findings_file.write(findings, run.findings)
    drawn = figures.draw(findings, run.figures)
    page.write(findings, plan, drawn, run.report)
    junit.write(findings, run.junit)
    summary.write(findings, run.summary)
    return findings


def order_story(run: RunDir, key: str) -> str:
    """All that is known of one order, as text for support; KeyError where the run knows no such order."""
    return sheet.order_story(run, key)
