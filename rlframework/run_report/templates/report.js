"use strict";
// What is on the page of a run, or of several: the completions, the held-out problems that flipped, the events.

const excerpt = (text) => element("div", { class: "excerpt text", dir: "auto" }, shown(text.length > 300 ? `${text.slice(0, 300)} …` : text));

function scoreList(entries) {
  return element("dl", { class: "scores" }, ...entries.flatMap(([name, value]) => [element("dt", {}, shown(String(name))), element("dd", {}, typeof value === "number" || value === null ? figure(value) : shown(String(value)))]));
}

function startCompletions(host, all) {
  const count = all.text.length;
  const short = withoutTemplate(all.prompts.map((prompt) => prompt.text));
  let searched = null;
  // Made at the first search: it takes a moment, and many readers never search.
  const searchable = () => (searched ??= all.text.map((text, at) => `${all.prompts[all.prompt[at]].text}\n${text}\n${(all.turns[at] ?? []).map((turn) => turn.text).join("\n")}`.toLowerCase()));
  const search = part(host, "search"), kind = part(host, "kind"), from = part(host, "from"), to = part(host, "to");
  const stops = [...new Set(all.stop)].filter(Boolean).sort();
  options(kind, [["", "all"], ["best", "the best first"], ["worst", "the worst first"], ["long", "the longest first"], ["no-reward", "without a reward"],
    ...(Object.keys(all.failure).length ? [["failure", "environment broke"]] : []),
    ...(Object.keys(all.turns).length ? [["fault", "with a faulty tool call"]] : []),
    ...stops.map((stop) => [`stop:${stop}`, `ended by: ${stop}`])], "");
  const faulty = (at) => (all.turns[at] ?? []).some((turn) => (turn.calls ?? []).some((call) => call.fault));
  const columns = [
    { label: "step", numeric: true, value: (at) => all.step[at] ?? all.rollout[at] },
    { label: "prompt", className: "wide-only", value: (at) => all.prompts[all.prompt[at]].text, cell: (at) => excerpt(short(all.prompts[all.prompt[at]].text)) },
    { label: "completion", value: (at) => all.text[at], cell: (at) => excerpt(all.text[at]) },
    { label: "expected", className: "wide-only", value: (at) => all.prompts[all.prompt[at]].expected, cell: (at) => excerpt(all.prompts[all.prompt[at]].expected ?? "–") },
    { label: "reward", numeric: true, value: (at) => all.reward[at] },
    { label: "advantage", numeric: true, className: "wide-only", value: (at) => all.advantage[at] },
    { label: "tokens", numeric: true, className: "wide-only", value: (at) => all.tokens[at] },
    { label: "ended by", className: "wide-only", value: (at) => all.stop[at], cell: (at) => element("span", { class: `pill ${all.stop[at] === "failed" ? "bad" : ["length", "turns"].includes(all.stop[at]) ? "warn" : ""}` }, all.stop[at] ?? "–") },
  ];
  const at = (label) => columns.findIndex((column) => column.label === label);
  const detail = (number) => {
    const prompt = all.prompts[all.prompt[number]], more = all.details[number] ?? {};
    return element("div", { class: "detail-grid" },
      element("div", {}, element("div", { class: "small-title" }, `prompt ${prompt.index ?? ""}`), textBlock(prompt.text),
        all.failure[number] ? element("p", { class: "bad-text" }, shown(all.failure[number])) : null,
        ...(all.turns[number] ? [element("div", { class: "small-title" }, "episode"), ...turnList(all.turns[number])] : [element("div", { class: "small-title" }, "completion"), textBlock(all.text[number])])),
      element("div", {}, element("div", { class: "small-title" }, "reward"),
        scoreList([...all.terms.map((term, place) => [term, all.rewards[place][number]]), ["in all", all.reward[number]], ["advantage", all.advantage[number]]]),
        ...Object.entries(more).flatMap(([name, found]) => [element("div", { class: "small-title" }, shown(name)), scoreList(Object.entries(found).map(([key, value]) => [key, typeof value === "number" ? value : typeof value === "string" ? value : JSON.stringify(value)]))]),
        element("div", { class: "small-title" }, "completion"), scoreList([["expected", prompt.expected ?? "–"], ["tokens", all.tokens[number]], ["ended by", all.stop[number] ?? "–"], ["rollout", all.rollout[number]], ["step", all.step[number]]])));
  };
  const table = new DataTable(host, {
    count, size: 25, what: "completions", columns, detail,
    test: () => {
      const words = search.value.trim().toLowerCase(), texts = words ? searchable() : null;
      const low = from.value === "" ? -Infinity : Number(from.value), high = to.value === "" ? Infinity : Number(to.value);
      const [chosen, stop] = kind.value.split(":");
      return (number) => {
        const step = all.step[number] ?? all.rollout[number];
        return step >= low && step <= high && (texts === null || texts[number].includes(words))
          && (chosen !== "no-reward" || all.reward[number] === null) && (chosen !== "stop" || all.stop[number] === stop)
          && (chosen !== "failure" || number in all.failure) && (chosen !== "fault" || faulty(number));
      };
    },
  });
  kind.addEventListener("change", () => {
    const order = { best: [at("reward"), -1], worst: [at("reward"), 1], long: [at("tokens"), -1] }[kind.value];
    if (order) table.sort(...order);
    table.paged.update();
  });
  for (const input of [search, from, to]) input.addEventListener("input", () => table.paged.update());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest?.("input, select, textarea")) return;
    event.preventDefault();
    search.focus();
  });
  table.paged.update();
}

function startFlips(host, { measures, problems, rows }) {
  const before = part(host, "before"), after = part(host, "after"), measure = part(host, "measure"), kind = part(host, "kind"), search = part(host, "search");
  const names = rows.map((row, at) => [String(at), row.name]);
  const short = withoutTemplate(problems.map((problem) => problem.prompt));
  options(before, names, String(Math.max(rows.length - 2, 0)));
  options(after, names, String(rows.length - 1));
  options(measure, measures.map((name, at) => [String(at), name]), "0");
  options(kind, [["changed", "all that changed"], ["better", "those that got better"], ["worse", "those that got worse"], ["same", "those that stayed"], ["all", "all"]], "changed");
  const mean = (answers, place) => {
    const scores = answers.map((answer) => answer.scores[place]).filter((score) => score !== null && score !== undefined);
    return scores.length ? scores.reduce((sum, score) => sum + Number(score), 0) / scores.length : null;
  };
  const searchable = problems.map((problem, at) => [problem.prompt, ...rows.flatMap((row) => row.answers[at].map((answer) => answer.text))].join("\n").toLowerCase());
  const chosen = () => [rows[before.value], rows[after.value], Number(measure.value)];
  const scores = (at) => { const [first, second, place] = chosen(); return [mean(first.answers[at], place), mean(second.answers[at], place)]; };
  const side = (row, at, place) => element("div", {}, ...row.answers[at].map((answer) => element("div", {},
    element("div", { class: "side-title" }, element("span", {}, shown(row.name)), element("span", { class: `pill ${answer.scores[place] === null ? "" : answer.scores[place] > 0 ? "good" : "bad"}` }, `${measures[place]} ${figure(answer.scores[place])}`), element("span", { class: "dim" }, `${figure(answer.tokens)} tokens${answer.stop && answer.stop !== "stop" ? `, ended by ${answer.stop}` : ""}`)),
    ...(answer.turns ? turnList(answer.turns) : [textBlock(answer.text)]))), ...(row.answers[at].length ? [] : [element("p", { class: "dim" }, "No answer was written down.")]));
  const card = (at) => {
    const [first, second, place] = chosen(), [was, is] = scores(at), problem = problems[at];
    const change = was === null || is === null || was === is ? ["", "the same"] : is > was ? ["good", "got better"] : ["bad", "got worse"];
    return element("article", { class: "card problem" },
      element("div", { class: "head" }, element("span", { class: `pill ${change[0]}` }, change[1]), element("h3", { class: "text", dir: "auto" }, shown(short(problem.prompt))),
        problem.expected === null || problem.expected === undefined ? null : element("span", { class: "dim" }, "expected ", element("strong", {}, shown(String(problem.expected))))),
      element("div", { class: "sides" }, side(first, at, place), side(second, at, place)),
      short(problem.prompt) === problem.prompt ? null : element("details", {}, element("summary", {}, "The whole prompt"), textBlock(problem.prompt)));
  };
  const paged = new Paged(host, {
    count: problems.length, size: 6, what: "problems",
    test: () => {
      const words = search.value.trim().toLowerCase(), wanted = kind.value;
      return (at) => {
        const [was, is] = scores(at), known = was !== null && is !== null;
        const fits = wanted === "all" || (known && { changed: was !== is, better: is > was, worse: is < was, same: was === is }[wanted]);
        return fits && (!words || searchable[at].includes(words));
      };
    },
    // The worse ones first: they are fewer, and say more.
    compare: () => (a, b) => { const [one, two] = [a, b].map((at) => { const [was, is] = scores(at); return (is ?? 0) - (was ?? 0); }); return one - two || a - b; },
    render: (numbers) => part(host, "list").replaceChildren(...numbers.map(card)),
  });
  for (const input of [before, after, measure, kind]) input.addEventListener("change", () => paged.update());
  search.addEventListener("input", () => paged.update());
  paged.update();
}

function startEvents(host, events) {
  const search = part(host, "search"), kind = part(host, "kind");
  options(kind, [["", "all"], ["trouble", "warnings and errors"], ...[...new Set(events.map((event) => event.kind))].map((name) => [name, String(name)])], "");
  const trouble = ["warning", "sentinel", "exception"], mood = { warning: "warn", sentinel: "warn", exception: "bad", end: "good", start: "accent", resume: "accent" };
  const table = new DataTable(host, {
    count: events.length, size: 25, what: "events",
    columns: [
      { label: "step", numeric: true, value: (at) => events[at].step },
      { label: "time (UTC)", className: "wide-only", value: (at) => events[at].time, cell: (at) => events[at].time ? `${new Date(1000 * events[at].time).toISOString().slice(0, 19).replace("T", " ")}` : "–" },
      { label: "kind", value: (at) => events[at].kind, cell: (at) => element("span", { class: `pill ${mood[events[at].kind] ?? ""}` }, String(events[at].kind)) },
      { label: "source", className: "wide-only", value: (at) => events[at].source, cell: (at) => shown(String(events[at].source ?? "–")) },
      { label: "message", value: (at) => events[at].message, cell: (at) => element("div", { class: "text", dir: "auto" }, shown(String(events[at].message ?? ""))) },
    ],
    test: () => {
      const words = search.value.trim().toLowerCase();
      return (at) => (kind.value === "" || (kind.value === "trouble" ? trouble.includes(events[at].kind) : String(events[at].kind) === kind.value))
        && (!words || `${events[at].source} ${events[at].message}`.toLowerCase().includes(words));
    },
  });
  kind.addEventListener("change", () => table.paged.update());
  search.addEventListener("input", () => table.paged.update());
  table.paged.update();
}

// The section that is looked at is marked in the list of sections.
function startNavigation() {
  const links = new Map([...document.querySelectorAll("nav.side li a")].map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    const seen = entries.filter((entry) => entry.isIntersecting).at(-1);
    if (!seen) return;
    for (const [id, link] of links) id === seen.target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main section[id]")) watch.observe(section);
}

const report = reportData();
startCharts(report);
if (report.completions) startCompletions(document.getElementById("completions-table"), report.completions);
if (report.heldout && report.heldout.rows.length > 1) startFlips(document.getElementById("flips"), report.heldout);
if (report.events.length) startEvents(document.getElementById("events-table"), report.events);
startNavigation();
