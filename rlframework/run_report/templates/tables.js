"use strict";
// Lists and tables that filter, sort and open, of any length: only the page that is looked at is in the document.

function part(host, name) {
  return host.querySelector(`[data-part="${name}"]`);
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, label]) => element("option", { value, selected: value === chosen }, label)));
}

// Filters the numbers 0 to count - 1 by `test()`, orders them by `compare()`, and shows a page of them by `render(numbers)`.
class Paged {
  constructor(host, { count, size, what, test, compare, render }) {
    Object.assign(this, { host, count, size, what, test, compare, render, page: 0, kept: [] });
    part(host, "pager").addEventListener("click", (event) => {
      const move = Number(event.target.closest("button")?.dataset.move ?? 0);
      if (!move) return;
      this.page += move;
      this.show();
      const pager = part(host, "pager");
      (pager.querySelector(`[data-move="${move}"]:not(:disabled)`) ?? pager.querySelector("button:not(:disabled)"))?.focus();
    });
  }

  update() {
    const started = performance.now();
    const test = this.test(), compare = this.compare?.();
    this.kept = [];
    for (let number = 0; number < this.count; number++) if (test(number)) this.kept.push(number);
    if (compare) this.kept.sort(compare);
    this.page = 0;
    this.show();
    this.host.dataset.milliseconds = (performance.now() - started).toFixed(1);
  }

  show() {
    const pages = Math.max(1, Math.ceil(this.kept.length / this.size));
    this.page = Math.min(Math.max(this.page, 0), pages - 1);
    this.render(this.kept.slice(this.page * this.size, (this.page + 1) * this.size));
    part(this.host, "count").textContent = `${this.kept.length.toLocaleString("en")} of ${this.count.toLocaleString("en")} ${this.what}`;
    const button = (move, label, disabled) => element("button", { type: "button", class: "tool", "data-move": move, disabled }, label);
    part(this.host, "pager").replaceChildren(...(pages === 1 ? [] : [
      button(-1, "Previous", this.page === 0), element("span", {}, `page ${(this.page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`), button(1, "Next", this.page === pages - 1)]));
  }
}

// A table of columns {label, value(number), cell(number), numeric, className}, whose rows open a detail where there is one.
class DataTable {
  constructor(host, { columns, detail, ...paged }) {
    Object.assign(this, { columns, detail, sorted: null });
    this.table = part(host, "table");
    const heads = columns.map((column) => element("th", { scope: "col", class: `${column.numeric ? "n " : ""}${column.className ?? ""}` }, column.label));
    const opener = detail ? [element("td", { class: "toggle" })] : [];
    this.table.tHead.replaceChildren(element("tr", {}, ...opener, ...heads));
    this.heads = heads;
    heads.forEach((head, at) => sortableHead(head, (direction) => { this.sorted = { at, direction }; this.paged.update(); }));
    this.paged = new Paged(host, { ...paged, compare: () => this.sorted && this.comparison(), render: (numbers) => this.rows(numbers) });
    this.table.addEventListener("click", (event) => {
      const row = event.target.closest("tr.row");
      if (row && !getSelection().toString()) this.toggle(row);
    });
    this.table.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      const openers = [...this.table.querySelectorAll("button.open")];
      const at = openers.indexOf(document.activeElement);
      if (!step || at < 0 || !openers[at + step]) return;
      event.preventDefault();
      openers[at + step].focus();
    });
  }

  sort(at, direction) {
    this.heads.forEach((head, place) => head.setAttribute("aria-sort", place !== at ? "none" : direction > 0 ? "ascending" : "descending"));
    this.sorted = at === null ? null : { at, direction };
  }

  comparison() {
    const { at, direction } = this.sorted, { value } = this.columns[at];
    const none = (one) => one === null || one === undefined;
    return (a, b) => {
      const [first, second] = [value(a), value(b)];
      if (none(first) || none(second)) return none(first) - none(second) || a - b;
      return (first < second ? -direction : first > second ? direction : 0) || a - b;
    };
  }

  rows(numbers) {
    this.table.tBodies[0].replaceChildren(...numbers.map((number) => element("tr", this.detail ? { class: "row", "data-number": number } : {},
      ...(this.detail ? [element("td", { class: "toggle" }, element("button", { type: "button", class: "open", "aria-expanded": "false", "aria-label": `Open ${number + 1}` }))] : []),
      ...this.columns.map((column) => element("td", { class: `${column.numeric ? "n " : ""}${column.className ?? ""}` }, column.cell ? column.cell(number) : figure(column.value(number)))))));
  }

  toggle(row) {
    const button = row.querySelector("button.open"), open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) row.nextElementSibling.remove();
    else row.after(element("tr", { class: "detail" }, element("td", { colspan: String(row.cells.length) }, this.detail(Number(row.dataset.number)))));
  }
}
