"""``rlframework report``: where the page goes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlframework.cli.report import main
from tests.run_report.made_runs import made_run


def test_the_page_goes_into_the_newest_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made_run(tmp_path / "mine" / "version_0")
    assert main([str(tmp_path / "mine")]) == 0
    assert Path(capsys.readouterr().out.strip()) == folder / "report.html"


def test_a_comparison_goes_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(made_run(tmp_path / name)) for name in ("one", "two")]) == 0
    assert capsys.readouterr().out.strip() == "comparison.html"
    assert (tmp_path / "comparison.html").is_file()


def test_what_cannot_be_compared_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(made_run(tmp_path / "run"))
    with pytest.raises(SystemExit) as end:
        main([folder, folder])
    assert end.value.code == 2
    assert "is given twice" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nothing")])
    assert "holds no run" in capsys.readouterr().err
