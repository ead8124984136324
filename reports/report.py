"""Builds everything a run directory holds below its events, from plan.yaml and events/ alone."""

from ledger.journal import Wholeness
from ledger.rundir import BrokenEvidence, RunDir
from ledger.rundir import Verdict as Verified
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
            insist_on_evidence(run, analysis.basis.verified)
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


def insist_on_evidence(run: RunDir, verified: Verified) -> None:
    """BrokenEvidence where journals are not what was written."""
    if verified.wholeness is not Wholeness.BROKEN:
        return
    more = f" (and {len(verified.reasons) - 1} more: `orderjam verify` lists them)" if len(verified.reasons) > 1 else ""
    raise BrokenEvidence(f"{run.path}: broken evidence: {verified.reasons[0]}{more}; {DESPITE} goes on all the same")
