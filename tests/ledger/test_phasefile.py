from pathlib import Path

from ledger.phasefile import PhaseFile, Told
from ledger.states import Phase


def test_the_phase_is_read_anew_when_the_harness_replaces_its_file(tmp_path: Path) -> None:
    file = PhaseFile(tmp_path)
    assert file.look() == Told()
    for phase in ("load", "heal"):
        new = tmp_path / "new"
        new.write_text(f'{{"phase":"{phase}","l0_t":5,"beat_t":7}}')
        new.replace(tmp_path / "phase.json")
        assert file.look() == Told(Phase(phase), 5, 7)
        assert file.look() is file.look()
