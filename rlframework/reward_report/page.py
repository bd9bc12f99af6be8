"""The reward report as one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape

from rlframework.reward_report.probes import Expects
from rlframework.reward_report.result import Mistake, ProbeResult, RewardReport

STYLE = """
:root { color-scheme: light; --ink: #1d2733; --dim: #667382; --line: #e3e8ee; --good: #1a7f4b; --bad: #c2352b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f8fa; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 32px 0 8px; }
h2::first-letter { text-transform: uppercase; }
p.lead { margin: 0 0 24px; color: var(--dim); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; }
.card b { display: block; font-size: 28px; line-height: 1.2; font-weight: 650; }
.card span { color: var(--dim); font-size: 13px; }
.good b, .good .share { color: var(--good); } .bad b, .bad .share { color: var(--bad); }
ul.problems { background: #fdf1f0; border: 1px solid #f2cfcc; border-radius: 10px; padding: 12px 18px 12px 36px; }
table { width: 100%; table-layout: fixed; border-collapse: collapse; background: #fff;
  border: 1px solid var(--line); border-radius: 10px; }
th:nth-child(1) { width: 31%; } th:nth-child(8) { width: 19%; }
th { text-align: left; white-space: nowrap; font-size: 12px; font-weight: 600; color: var(--dim); }
th, td { padding: 7px 12px; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td small { display: block; color: var(--dim); }
.bar { display: inline-block; width: 96px; height: 8px; border-radius: 4px; background: #e8f4ee; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--bad); }
.silent .bar { background: #eceff3; }
.share { font-weight: 600; margin-left: 8px; }
details { margin-top: 4px; font-size: 13px; } summary { cursor: pointer; color: var(--bad); }
pre { margin: 6px 0; padding: 8px 10px; background: #f6f8fa; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font: 12px/1.45 ui-monospace, Menlo, Consolas, monospace; }
ul.partly { columns: 3; margin: 0; padding: 12px 18px 12px 36px; background: #fff; border: 1px solid var(--line);
  border-radius: 10px; font-size: 14px; }
footer { margin-top: 32px; color: var(--dim); font-size: 13px; }
"""
SHOWN_MISTAKES = 3
SHOWN_CHARACTERS = 600


def page_of(report: RewardReport) -> str:
    """Return the whole page."""
    families = list(dict.fromkeys(result.family for result in report.results))
    sections = "".join(_section(family, [r for r in report.results if r.family == family]) for family in families)
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in report.problems())
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>Reward report: {escape(report.reward)}</title><style>{STYLE}</style></head>\n<body><main>"
        f"<h1>{escape(report.reward)}</h1>"
        f'<p class="lead">{len(report.results)} probes on {report.rows:,} rows. Accepted is a score above '
        f"{report.accept_above:g}: {escape(report.threshold)}.</p>"
        f"{_cards(report)}"
        + (f'<ul class="problems">{problems}</ul>' if problems else "")
        + f"{_partly(report)}{sections}{_unusable(report)}"
        f"<footer>Wrong is a verdict other than the probe's own. Refused answers may still be paid in part: see the "
        f"mean. Scored in {report.seconds:.1f} s by rlframework.</footer></main></body></html>\n"
    )


def _cards(report: RewardReport) -> str:
    silent = sum(result.abstained + result.failed for result in report.results)
    tried = sum(result.rows for result in report.results)
    cards = [
        (f"{report.false_accepts:,}", f"false accepts ({report.false_accept_rate:.1%})", not report.false_accepts),
        (f"{report.false_refusals:,}", f"false refusals ({report.false_refusal_rate:.1%})", not report.false_refusals),
        (f"{silent:,}", "without a score", None),
        (f"{tried:,}", "completions scored", None),
    ]
    mood = {True: " good", False: " bad", None: ""}
    inside = "".join(f'<div class="card{mood[good]}"><b>{n}</b><span>{what}</span></div>' for n, what, good in cards)
    return f'<div class="cards">{inside}</div>'


def _section(family: str, results: list[ProbeResult]) -> str:
    heads = ("rows", "accepted", "refused", "no score", "mean")
    return (
        f"<h2>{escape(family)}</h2><table><thead><tr><th>probe</th><th>should be</th>"
        + "".join(f'<th class="n">{head}</th>' for head in heads)
        + f"<th>wrong</th></tr></thead><tbody>{''.join(map(_row, results))}</tbody></table>\n"
    )


def _row(result: ProbeResult) -> str:
    mood = "silent" if not result.judged else "bad" if result.wrong else "good"
    numbers = (result.rows, result.accepted, result.refused, result.abstained + result.failed or "–")
    mean = "–" if result.mean_score is None else f"{result.mean_score:.2f}"
    share = f"{result.wrong:,} of {result.judged:,}" if result.wrong else "0" if result.judged else "not judged"
    failure = f"<small>failed: {escape(result.failure)}</small>" if result.failure else ""
    return (
        f'<tr class="{mood}"><td>{escape(result.probe)}<small>{escape(result.about)}</small>{failure}'
        f"{_examples(result)}</td>"
        f"<td>{'accepted' if result.expects is Expects.ACCEPT else 'refused'}</td>"
        + "".join(f'<td class="n">{number}</td>' for number in (*numbers, mean))
        + f'<td style="white-space:nowrap"><span class="bar"><i style="width:{result.rate:.1%}"></i></span>'
        f'<span class="share">{share}</span></td></tr>'
    )


def _examples(result: ProbeResult) -> str:
    if not result.mistakes:
        return ""
    examples = "".join(map(_example, result.mistakes[:SHOWN_MISTAKES]))
    return f"<details><summary>worst: score {result.mistakes[0].score:g}</summary>{examples}</details>"


def _example(mistake: Mistake) -> str:
    cut = ", cut by the token budget" if mistake.truncated else ""
    return (
        f"<pre>{escape(_cut(mistake.prompt))}</pre>expected <b>{escape(mistake.gold)}</b>, "
        f"score {mistake.score:g}{cut}:<pre>{escape(_cut(mistake.completion)) or '(empty)'}</pre>"
    )


def _partly(report: RewardReport) -> str:
    partly = report.paid_in_part()
    if not partly:
        return ""
    items = "".join(f"<li>{escape(probe)}: {share:.0%}</li>" for probe, share in partly.items())
    return (
        "<h2>refused, and paid all the same</h2><p>The way from the score of another row's answer to that of the "
        f'expected one is 100%. A policy climbs whatever is paid.</p><ul class="partly">{items}</ul>'
    )


def _unusable(report: RewardReport) -> str:
    if not report.unusable:
        return ""
    number, reason = next(iter(report.unusable.items()))
    return (
        f"<h2>rows that were left out</h2><p>{len(report.unusable):,} have no usable prompt or expected answer; "
        f"row {number}: {escape(reason)}</p>"
    )


def _cut(text: str) -> str:
    half = SHOWN_CHARACTERS // 2
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:half]} ... {text[-half:]}"
