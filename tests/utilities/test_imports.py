import sys

import pytest

from rlframework.cli import lightning
from rlframework.report import plot_curves, print_comparison


@pytest.mark.parametrize(
    ("package", "use", "extra"),
    [
        ("rich.table", lambda: print_comparison([]), "report"),
        ("matplotlib", lambda: plot_curves("metrics.csv", "curves.png"), "report"),
        ("jsonargparse", lambda: lightning.main([]), "cli"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, use, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"pip install 'rlframework\[{extra}\]'"):
        use()
