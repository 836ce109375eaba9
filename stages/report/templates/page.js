// Singles out cells in all panels and tables, and sorts tables.
(() => {
  const all = [...document.querySelectorAll("[data-cell]")];
  const pinned = new Set();
  const show = (cells) => {
    for (const element of all) {
      element.classList.toggle("dim", cells.size > 0 && !cells.has(element.dataset.cell));
      element.classList.toggle("lit", cells.has(element.dataset.cell));
    }
  };
  for (const element of all) {
    element.addEventListener("pointerenter", () => show(new Set([...pinned, element.dataset.cell])));
    element.addEventListener("pointerleave", () => show(pinned));
    if (element.tagName === "BUTTON") {
      element.addEventListener("click", () => {
        const cell = element.dataset.cell;
        pinned.has(cell) ? pinned.delete(cell) : pinned.add(cell);
        element.setAttribute("aria-pressed", String(pinned.has(cell)));
        show(pinned);
      });
    }
  }

  // Numbers by value, other text by its letters, missing values last in either direction.
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const numeric = !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
    return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("button.sort").forEach((button) => {
      const heading = button.parentElement;
      button.addEventListener("click", () => {
        const sign = heading.getAttribute("aria-sort") === "descending" ? 1 : -1;
        table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        const value = (row) => row.cells[heading.cellIndex].dataset.value ?? "";
        const rows = [...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b), sign));
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
