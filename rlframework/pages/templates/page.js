"use strict";
// Light and dark: as the system says until somebody chooses; and tables of the page that sort by a click on their heads.

function chosenTheme() {
  try { return localStorage.getItem("rlframework-theme"); } catch { return null; } // a page of a file may have no storage
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.textContent = theme === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colours`);
  }
  document.dispatchEvent(new CustomEvent("theme"));
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const themeNow = () => chosenTheme() ?? (systemDark.matches ? "dark" : "light");
setTheme(themeNow());
systemDark.addEventListener("change", () => setTheme(themeNow()));
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("rlframework-theme", theme); } catch { /* it holds until the page is left */ }
  setTheme(theme);
});

function reportData() {
  return JSON.parse(document.getElementById("report-data").textContent);
}

// Order of two values: numbers before texts, nothing last, whichever way round.
function order(a, b, direction) {
  const none = (value) => value === null || value === undefined || value === "" || Number.isNaN(value);
  if (none(a) || none(b)) return none(a) - none(b);
  if (typeof a === "number" && typeof b === "number") return direction * (a - b);
  return direction * String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortableHead(cell, onSort) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...cell.childNodes);
  cell.append(button);
  cell.setAttribute("aria-sort", "none");
  button.addEventListener("click", () => {
    const direction = cell.getAttribute("aria-sort") === "descending" ? 1 : -1;
    for (const other of cell.parentElement.children) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    onSort(direction);
  });
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  [...table.tHead.rows[0].cells].forEach((cell, column) => sortableHead(cell, (direction) => {
    const rows = [...table.tBodies[0].rows];
    table.tBodies[0].append(...rows.sort((a, b) => order(value(a, column), value(b, column), direction)));
  }));
}
