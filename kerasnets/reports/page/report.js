"use strict";
const held = (id) => JSON.parse(document.getElementById(id).textContent);
const plain = (text) => text.toLocaleLowerCase();
const said = (input, text) => {
  input.closest("p").querySelector("output").textContent = text;
};

// Columns are sorted by a button in their heads: numbers from the largest, names from A.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.firstElementChild.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const ascending = before ? before === "descending" : column === 0;
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const key = (row) => {
        const text = row.cells[column].textContent;
        if (column === 0) return text;
        return text ? parseFloat(text.replaceAll(",", "")) : -1;
      };
      const compare = column === 0
        ? (a, b) => a[0].localeCompare(b[0], undefined, { numeric: true })
        : (a, b) => a[0] - b[0];
      const rows = [...body.rows].map((row) => [key(row), row]).sort(compare);
      if (!ascending) rows.reverse();
      body.append(...rows.map((pair) => pair[1]));
    });
  });
}

// Rows that hold what was typed.
for (const input of document.querySelectorAll("input.filter")) {
  const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
  const names = rows.map((row) => plain(row.cells[0].textContent));
  input.addEventListener("input", () => {
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !names[index].includes(plain(input.value));
      shown += !row.hidden;
    });
    said(input, `${shown} of ${rows.length} classes`);
  });
}

// Pairs of a large confusion matrix: all can be searched, the first hundred are shown.
for (const input of document.querySelectorAll("input.pairs")) {
  const pairs = held(input.dataset.pairs);
  const { names, images } = held(input.dataset.names);
  const lower = names.map(plain);
  const body = document.getElementById(input.dataset.table).tBodies[0];
  input.addEventListener("input", () => {
    const wanted = plain(input.value);
    const found = pairs.filter(([t, p]) => lower[t].includes(wanted) || lower[p].includes(wanted));
    body.replaceChildren(...found.slice(0, 100).map(([t, p, count]) => {
      const row = document.createElement("tr");
      const part = `${((100 * count) / images[t]).toFixed(2)} %`;
      [names[t], names[p], count, part].forEach((text, column) => {
        const cell = row.insertCell();
        cell.textContent = text;
        if (column > 1) cell.className = "number";
      });
      return row;
    }));
    said(input, `${found.length.toLocaleString()} pairs${found.length > 100 ? ", the first 100 shown" : ""}`);
  });
}

// The curves of a class that is asked for by name, drawn into both charts.
for (const input of document.querySelectorAll("input.choose")) {
  const steps = held(input.dataset.steps);
  const { names } = held(input.dataset.names);
  const section = input.closest("section");
  const draw = (chart, points) => {
    const svg = section.querySelector(`svg[data-chart="${chart}"]`);
    svg.querySelector(".chosen")?.remove();
    if (!points.length) return;
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    const [left, right, bottom, top] = [66, 408, 256, 12];
    const place = ([x, y]) => `${left + ((right - left) * x) / 1000},${bottom + ((top - bottom) * y) / 1000}`;
    line.setAttribute("points", points.map(place).join(" "));
    line.setAttribute("class", "line chosen c6");
    svg.append(line);
  };
  input.addEventListener("input", () => {
    const label = names.indexOf(input.value);
    draw("roc", label < 0 ? [] : steps.roc[label]);
    draw("precision", label < 0 ? [] : steps.precision[label]);
    said(input, label < 0 ? "" : steps.roc[label].length ? `drawn: ${names[label]}` : "no images of it");
  });
}
