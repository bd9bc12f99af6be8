"use strict";
// Charts over the optimizer steps, by uPlot: one cursor for all of them, bands, stacks, and a legend that shows the values.

const cursorOfAll = uPlot.sync("steps");
const drawn = [];
let smooth = true;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const lineColour = (place) => css(`--line-${place % 8}`);
const faint = (colour, opacity) => colour + Math.round(opacity * 255).toString(16).padStart(2, "0");

// Mean of the values around each, the nearer ones counting more: it lags behind no turn of the line.
function smoothed(values) {
  const width = Math.max(1.2, values.length / 60), reach = Math.ceil(2.5 * width);
  return values.map((own, at) => {
    if (own === null) return null;
    let sum = 0, total = 0;
    for (let other = Math.max(0, at - reach); other <= Math.min(values.length - 1, at + reach); other++) {
      if (values[other] === null) continue;
      const weight = Math.exp(-((other - at) ** 2) / (2 * width ** 2));
      sum += weight * values[other];
      total += weight;
    }
    return sum / total;
  });
}

function axes(kind) {
  const base = { stroke: css("--dim"), font: "11px system-ui, sans-serif", ticks: { show: false }, border: { show: false } };
  const grid = { stroke: css("--grid"), width: 1 };
  const decimals = (step) => Math.min(Math.max(0, -Math.floor(Math.log10(step))), 20);
  const percent = (u, ticks, axis, space, step) => ticks.map((tick) => `${(100 * tick).toFixed(decimals(100 * step))} %`);
  const plain = (u, ticks, axis, space, step) => ticks.map((tick) => step < 1e-4 ? figure(tick) : tick.toLocaleString("en", { minimumFractionDigits: decimals(step), maximumFractionDigits: decimals(step) }));
  return [
    { ...base, grid: { show: false }, size: 26, space: 60, values: (u, ticks) => ticks.map((tick) => Number.isInteger(tick) ? tick.toLocaleString("en") : "") },
    { ...base, grid, size: (u, labels) => Math.max(30, ...(labels ?? []).map((label) => 7 * String(label).length + 8)), space: 34, values: kind === "share" ? percent : plain },
  ];
}

// The figures in words, for who does not see the picture.
function inWords(chart) {
  const first = (line) => line.values.findIndex((value) => value !== null);
  const last = (line) => line.values.findLastIndex((value) => value !== null);
  return `${chart.title}: ` + chart.lines.map((line) => first(line) < 0 ? `${line.name} has no values` :
    `${line.name} from ${figure(line.values[first(line)])} at ${chart.steps[first(line)]} to ${figure(line.values[last(line)])} at ${chart.steps[last(line)]}`).join("; ");
}

// What uPlot draws: its data and series, where each line of the chart has one or several.
function layers(chart) {
  const data = [chart.steps], series = [{}], bands = [], places = [];
  const add = (values, options) => { data.push(values); series.push({ spanGaps: true, points: { show: false }, ...options }); return series.length - 1; };
  const points = (values) => ({ show: values.filter((value) => value !== null).length <= 24, size: 5 });
  if (chart.kind === "stack") {
    const sums = chart.steps.map(() => 0);
    const stacked = chart.lines.map((line) => line.values.map((value, at) => (sums[at] += value ?? 0)));
    stacked.forEach((values, place) => {
      const fill = faint(lineColour(place), 0.55), at = add(values, { stroke: lineColour(place), width: 1.2, ...(place ? {} : { fill }) });
      if (place) bands.push({ series: [at, at - 1], fill });
      places[place] = [at];
    });
    return { data, series, bands, places };
  }
  chart.lines.forEach((line, place) => {
    const colour = lineColour(place), width = place === 0 ? 2.2 : 1.7;
    const soft = smooth && chart.kind !== "tries" && !line.low && line.values.filter((value) => value !== null).length > 30;
    const alone = chart.lines.length === 1;
    const fill = (u) => {
      const gradient = u.ctx.createLinearGradient(0, u.bbox.top, 0, u.bbox.top + u.bbox.height);
      gradient.addColorStop(0, faint(colour, 0.2));
      gradient.addColorStop(1, faint(colour, 0));
      return gradient;
    };
    places[place] = [];
    if (line.low) {
      const high = add(line.high, { stroke: "transparent" }), low = add(line.low, { stroke: "transparent" });
      bands.push({ series: [high, low], fill: faint(colour, 0.16) });
      places[place].push(high, low);
    }
    if (soft) places[place].push(add(line.values, { stroke: faint(colour, 0.28), width: 1 }));
    const values = soft ? smoothed(line.values) : line.values;
    places[place].push(add(values, { stroke: colour, width, points: { ...points(line.values), fill: colour }, ...(alone && !line.low ? { fill } : {}) }));
  });
  return { data, series, bands, places };
}

function range(chart) {
  return (u, low, high) => {
    if (low === null) return [0, 1];
    if (chart.kind === "share") return [0, high > 0.5 ? 1.02 : Math.max(high * 1.25, 0.01)];
    if (chart.kind === "stack") return [0, high * 1.08 || 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    // A line of positive numbers that are near 0 starts there.
    return [low >= 0 && low < 0.5 * high ? 0 : low - room, high + room];
  };
}

function drawChart(card, chart) {
  const host = card.querySelector(".plot-host");
  const { data, series, bands, places } = layers(chart);
  const values = [...card.querySelectorAll(".legend b")], where = card.querySelector(".step");
  const height = chart.wide ? 216 : 150;
  const synced = chart.kind !== "tries";
  const say = (at) => {
    chart.lines.forEach((line, place) => {
      const value = line.values[at ?? line.values.findLastIndex((one) => one !== null)];
      values[place].textContent = value !== null && chart.kind === "share" ? `${figure(value * 100)} %` : figure(value);
    });
    where.textContent = at === null || at === undefined ? "" : `${synced ? "step" : "k ="} ${chart.steps[at].toLocaleString("en")}`;
  };
  const plot = new uPlot({
    width: Math.max(host.clientWidth, 120), height, series, bands, axes: axes(chart.kind), legend: { show: false }, padding: [8, 8, 0, 0],
    scales: { x: { time: false, distr: synced ? 1 : 3, log: 2 }, y: { range: range(chart) } },
    cursor: { ...(synced ? { sync: { key: "steps" } } : {}), y: false, drag: { x: synced, y: false, setScale: synced }, points: { size: 7 } },
    hooks: { setCursor: [(u) => say(u.cursor.idx)], setScale: [(u, key) => key === "x" && synced && zoomed(u)] },
  }, data, host);
  const toggles = [...card.querySelectorAll(".legend button")];
  places.forEach((own, place) => {
    if (toggles[place].getAttribute("aria-pressed") === "false") own.forEach((at) => plot.setSeries(at, { show: false }));
  });
  say(null);
  drawn.push({ plot, card, height, places, synced, steps: chart.steps });
}

// A zoom of one chart is that of all.
let zooming = false;
function zoomed(from) {
  if (zooming || from.status !== 1) return;
  zooming = true;
  const { min, max } = from.scales.x;
  for (const { plot, synced } of drawn) if (synced && plot !== from) plot.setScale("x", { min, max });
  const whole = drawn.filter(({ synced }) => synced).every(({ plot, steps }) => min <= steps[0] && max >= steps.at(-1) || plot.data[0].length < 2);
  document.getElementById("zoom-out").disabled = whole;
  zooming = false;
}

function zoomOut() {
  const steps = drawn.filter(({ synced }) => synced).flatMap(({ steps }) => [steps[0], steps.at(-1)]);
  for (const { plot, synced } of drawn) if (synced) plot.setScale("x", { min: Math.min(...steps), max: Math.max(...steps) });
}

function chartCard(chart) {
  const legend = element("ul", { class: "legend" }, ...chart.lines.map((line, place) => element("li", {},
    element("button", { type: "button", "aria-pressed": "true", title: "Hide or show" }, element("i", { class: `swatch line-${place % 8}` }), shown(line.name === chart.title ? "" : line.name), element("b")))));
  const host = element("div", { class: "plot-host", role: "img", tabindex: "0", "aria-label": inWords(chart) });
  const card = element("div", { class: `card chart-card${chart.wide ? " wide" : ""}` },
    element("div", { class: "heading" }, element("h3", {}, chart.title), element("span", { class: "step dim small-title" })),
    element("p", { class: "about" }, chart.about), legend, host);
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const place = [...legend.querySelectorAll("button")].indexOf(button);
    const show = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(show));
    const own = drawn.find((one) => one.card === card);
    own.places[place].forEach((at) => own.plot.setSeries(at, { show }));
  });
  // Arrow keys move the cursor as a mouse does.
  host.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const plot = drawn.find((one) => one.card === card)?.plot;
    if (!step || !plot) return;
    event.preventDefault();
    const at = Math.min(Math.max((plot.cursor.idx ?? plot.data[0].length) + step, 0), plot.data[0].length - 1);
    for (const { plot: other, synced } of drawn) if (synced || other === plot) other.setCursor({ left: other.valToPos(plot.data[0][at], "x"), top: 10 });
  });
  return card;
}

function histogramHost(host, histogram) {
  const { steps, edges, shares } = histogram;
  const width = steps.length > 1 ? steps[1] - steps[0] : 1;
  const most = Math.max(...shares.flat());
  const fields = (u) => {
    const colour = css("--accent");
    steps.forEach((step, column) => shares[column].forEach((share, bin) => {
      if (!share) return;
      const [left, right] = [step, step + width].map((x) => Math.round(u.valToPos(x, "x", true)));
      const [bottom, top] = [edges[bin], edges[bin + 1]].map((y) => Math.round(u.valToPos(y, "y", true)));
      u.ctx.fillStyle = faint(colour, 0.1 + 0.9 * Math.sqrt(share / most));
      u.ctx.fillRect(left, top, Math.max(right - left - 1, 1), bottom - top - 1);
    }));
  };
  const say = (u) => {
    const at = u.cursor.left >= 0 ? steps.findLastIndex((step) => step <= u.posToVal(u.cursor.left, "x")) : -1;
    const bin = at < 0 ? -1 : edges.findLastIndex((edge) => edge <= u.posToVal(u.cursor.top, "y"));
    legend.textContent = at < 0 || bin < 0 || bin >= edges.length - 1 ? "Point at a field to read it." :
      `Step ${steps[at]}: ${figure(100 * shares[at][bin])} % of the rewards are from ${figure(edges[bin])} to ${figure(edges[bin + 1])}.`;
  };
  const legend = element("p", { class: "about" }, "Point at a field to read it.");
  const inside = element("div", { class: "plot-host", role: "img", "aria-label": `Rewards over time: ${steps.length} columns of steps ${steps[0]} to ${steps.at(-1)}, rewards from ${figure(edges[0])} to ${figure(edges.at(-1))}` });
  host.replaceChildren(legend, inside);
  const plot = new uPlot({
    width: Math.max(host.clientWidth, 120), height: 250, legend: { show: false }, padding: [8, 8, 0, 0], axes: axes("line"),
    scales: { x: { time: false, range: () => [steps[0], steps.at(-1) + width] }, y: { range: () => [edges[0], edges.at(-1)] } },
    series: [{}, { stroke: "transparent", points: { show: false } }],
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    hooks: { drawAxes: [fields], setCursor: [say] },
  }, [steps, steps.map(() => null)], inside);
  drawn.push({ plot, card: host, height: 250, places: [], synced: false, steps });
}

function drawAll(data) {
  for (const { plot } of drawn.splice(0)) plot.destroy();
  const draw = (host, charts) => {
    if (!host || !charts) return;
    if (!host.children.length) host.append(...charts.map(chartCard));
    charts.forEach((chart, at) => drawChart(host.children[at], chart));
  };
  draw(document.getElementById("charts"), data.charts);
  draw(document.getElementById("tries"), data.tries);
  const histogram = document.getElementById("histogram");
  if (histogram && data.histogram) histogramHost(histogram, data.histogram);
}

function startCharts(data) {
  drawAll(data);
  document.addEventListener("theme", () => drawAll(data));
  new ResizeObserver(() => {
    for (const { plot, card, height } of drawn) {
      const width = card.querySelector(".plot-host").clientWidth;
      if (width && width !== plot.width) plot.setSize({ width, height });
    }
  }).observe(document.getElementById("content"));
  const button = document.getElementById("smooth");
  button?.addEventListener("click", () => {
    smooth = !smooth;
    button.setAttribute("aria-pressed", String(smooth));
    drawAll(data);
  });
  document.getElementById("zoom-out")?.addEventListener("click", zoomOut);
}
