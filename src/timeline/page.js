// Adds to a page that is whole without it: a filter, wider pictures, and details that open when they are linked to.
"use strict";
(() => {
  const open = () => {
    const row = location.hash.startsWith("#entry-") && document.getElementById(location.hash.slice(1));
    const details = row && row.querySelector("details");
    if (details) details.open = true;
  };
  addEventListener("hashchange", open);
  open();

  const rows = [...document.querySelectorAll("tbody.entry")];
  const tools = document.getElementById("row-tools");
  if (tools && rows.length > 1) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    input.type = "search";
    label.append("Filter entries: ", input);
    tools.append(label, " ", count);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.rows[0].textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) shown += 1;
      }
      count.textContent = words.length ? `${shown} of ${rows.length}` : "";
    });
  }

  const picture = document.querySelector(".box svg");
  const zoom = document.getElementById("picture-tools");
  if (picture && zoom) {
    for (const [name, width] of [["Fit", ""], ["Wider", "180%"], ["Widest", "320%"]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => { picture.style.width = width; });
      zoom.append(button);
    }
  }
})();
