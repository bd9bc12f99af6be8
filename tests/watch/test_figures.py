"""Figures of a growing metrics.csv are those of read_metrics, but for steps that a resumed run takes back."""

from __future__ import annotations

from rlframework.loggers import AppendingCSVLogger
from rlframework.report.curves import read_metrics
from rlframework.watch.figures import Figures


def lines(path):
    return path.read_bytes().split(b"\n")[:-1]


def test_they_are_those_of_the_file(tmp_path):
    logger = AppendingCSVLogger(tmp_path, "mine", version=0)
    logger.log_metrics({"train/reward/total": 0.5, "train/kl": 0.0}, step=0)
    logger.save()
    logger.log_metrics({"val/accuracy": 0.25}, step=0)
    logger.log_metrics({"train/reward/total": 0.75, "train/kl": 1e-3}, step=4)
    logger.save()
    path = tmp_path / "mine" / "version_0" / "metrics.csv"
    figures = Figures()
    for line in lines(path):
        figures.add([line])
    read = {name: (list(points), list(points.values())) for name, points in figures.points().items()}
    assert read == read_metrics(path)
    assert read["train/kl"] == ([1, 5], [0.0, 1e-3])


def test_steps_that_a_resumed_run_takes_back_are_forgotten():
    figures = Figures()
    figures.add([b"step,a,val/b", b"0,1,", b"1,2,", b"1,,0.5", b"2,3,", b"1,9,"])
    assert figures.points() == {"a": {1: 1.0, 2: 9.0}, "val/b": {2: 0.5}}


def test_names_of_old_versions_are_those_of_today():
    figures = Figures()
    figures.add([b"step,train/reward,train/reward/maths", b"0,1,2"])
    assert set(figures.points()) == {"train/reward/total", "train/reward/maths"}


def test_cells_that_are_no_numbers_are_left_out():
    figures = Figures()
    figures.add([b"step,a,b", b"0,nan,2", b"1,inf,x", b",1,1", b"2,4", b"\xff,1,1", b""])
    assert figures.points() == {"b": {1: 2.0}, "a": {3: 4.0}}
