"use strict";
// Texts of a model on the page: always text nodes, and what cannot be seen is shown by its code point.

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\u{e0000}-\u{e007f}]/gu;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function shown(text) {
  const fragment = document.createDocumentFragment();
  let from = 0;
  for (const found of text.matchAll(UNSEEN)) {
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    fragment.append(text.slice(from, found.index), element("span", { class: "mark" }, `U+${code}`));
    from = found.index + found[0].length;
  }
  fragment.append(text.slice(from));
  return fragment;
}

const textBlock = (text) => element("div", { class: "block text", dir: "auto", tabindex: "0", role: "group", "aria-label": "Text" }, text ? shown(text) : element("span", { class: "dim" }, "(empty)"));

function figure(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

// An episode turn by turn: who said what, which tools were called, and what it paid.
function turnList(turns) {
  return turns.map((turn) => element("div", { class: `turn ${turn.by === "policy" ? "policy" : "environment"}` },
    element("div", { class: "small-title" }, turn.by ?? "", turn.reward ? ` · paid ${figure(turn.reward)}` : ""),
    element("div", { class: "text", dir: "auto" }, shown(turn.text || "(nothing)")),
    ...(turn.calls ?? []).map((call) => element("div", { class: "small-title" },
      shown(`calls ${call.name || "?"}(${JSON.stringify(call.arguments ?? {})})`), " ",
      call.fault ? element("span", { class: "pill bad" }, String(call.fault)) : null,
      element("div", { class: "text dim" }, shown(String(call.result ?? "")))))));
}

// Prompts are mostly template: returns what tells one prompt from the others, cut at spaces.
function withoutTemplate(prompts) {
  if (prompts.length < 2) return (prompt) => prompt;
  const [one, ...others] = prompts;
  let start = one.length, end = one.length;
  for (const other of others) {
    let same = 0;
    while (same < start && same < other.length && other[same] === one[same]) same++;
    start = same;
    same = 0;
    while (same < end && same < other.length && other.at(-1 - same) === one.at(-1 - same)) same++;
    end = same;
  }
  while (start && !/\s/.test(one[start - 1])) start--;
  while (end && !/\s|</.test(one.at(-end))) end--;
  return (prompt) => prompt.slice(start, Math.max(start, prompt.length - end)).trim() || prompt;
}
