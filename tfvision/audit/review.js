"use strict";
// What a person decides about the images that an audit shows, and the CSV of it that `tfvision train --data` takes.
(() => {
  const review = JSON.parse(document.getElementById("review").textContent);
  const proposed = new Set(review.dropped);
  const place = "tfvision review " + review.audit;
  const cards = [...document.querySelectorAll(".picture")];
  const decided = new Map();  // id -> {drop: whether to leave it out, label: its class}
  try {
    Object.entries(JSON.parse(localStorage.getItem(place) || "{}")).forEach(([id, one]) => decided.set(id, one));
  } catch (error) {  // a browser that keeps nothing for files: the decisions last as long as the page
  }

  const stateOf = (id) => decided.get(id) || {drop: proposed.has(id), label: review.labels[id] || ""};

  function decide(id, change) {
    const one = {...stateOf(id), ...change};
    const original = one.drop === proposed.has(id) && one.label === (review.labels[id] || "") && !change.sure;
    if (original) decided.delete(id); else decided.set(id, {drop: one.drop, label: one.label});
    try {
      localStorage.setItem(place, JSON.stringify(Object.fromEntries(decided)));
    } catch (error) {  // as above
    }
    show();
  }

  function rows() {
    const ids = [...new Set([...review.dropped, ...decided.keys()])];
    return ids.map((id) => {
      const one = stateOf(id), changed = id in review.labels && one.label !== review.labels[id];
      return [id, one.drop ? "drop" : changed ? "relabel" : "keep", one.drop ? review.labels[id] || "" : one.label, review.dataset];
    });
  }

  // As tfvision/system/csv_table.py writes cells: an apostrophe before what a spreadsheet would take for a formula.
  const formula = /^'*[ \u00a0]*[=+@\t\r\n\-\uff1d\uff0b\uff0d\uff20]/, number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?(inf|nan)$/i;
  const marked = (text) => (formula.test(text) && !number.test(text) ? "'" + text : text);
  const quoted = (text) => (/[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);
  const cell = (text) => quoted(marked(text));

  function csv() {
    return [["id", "decision", "label", "dataset"], ...rows()].map((row) => row.map(cell).join(",") + "\n").join("");
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], {type: "text/csv"}));
    link.download = "review.csv";
    document.body.append(link);
    link.click();
    link.remove();
  }

  function show() {
    for (const card of cards) {
      const one = stateOf(card.dataset.id);
      card.classList.toggle("dropped", one.drop);
      card.classList.toggle("decided", decided.has(card.dataset.id));
      card.querySelector("[data-do=keep]").setAttribute("aria-pressed", String(!one.drop));
      card.querySelector("[data-do=drop]").setAttribute("aria-pressed", String(one.drop));
      const field = card.querySelector("input");
      if (field && field !== document.activeElement) field.value = one.label;
    }
    const all = rows(), none = "nothing is dropped and nothing decided: train on the data as it is";
    Object.assign(document.getElementById("save"), {disabled: !all.length, title: all.length ? "" : none});
    const count = (what) => all.filter((row) => row[1] === what).length;
    document.getElementById("tally").textContent =
      `${count("drop")} dropped, ${count("relabel")} relabelled, ${decided.size} decided by you`;
  }

  function control(card) {
    const id = card.dataset.id, bar = document.createElement("div");
    bar.className = "controls";
    for (const [what, key] of [["keep", "k"], ["drop", "d"]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.do = what;
      button.textContent = what;
      button.title = `key ${key}`;
      button.addEventListener("click", () => decide(id, {drop: what === "drop", sure: true}));
      bar.append(button);
    }
    if (review.labels[id]) {
      const field = document.createElement("input");
      field.setAttribute("list", "classes");
      field.setAttribute("aria-label", `class of ${id}`);
      field.title = "its class; key r";
      field.addEventListener("change", () => {
        const known = review.classes.includes(field.value);
        field.setCustomValidity(known ? "" : `no such class; there are ${review.classes.join(", ")}`);
        if (known) decide(id, {label: field.value, drop: false, sure: true}); else field.reportValidity();
      });
      field.addEventListener("blur", () => { field.setCustomValidity(""); show(); });
      field.addEventListener("focus", () => field.select());
      bar.append(field);
    }
    card.append(bar);
    card.tabIndex = 0;
    card.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.tagName === "INPUT") {
        if (event.key === "Escape") event.target.value = stateOf(id).label;
        if (event.key === "Escape" || event.key === "Enter") card.focus();
        return;
      }
      const next = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (event.key === "k" || event.key === "d") {
        decide(id, {drop: event.key === "d", sure: true});
        cards[Math.min(cards.length - 1, cards.indexOf(card) + 1)].focus();
      } else if (event.key === "u") {
        decided.delete(id);
        decide(id, {});
      } else if (event.key === "r" && card.querySelector("input")) {
        card.querySelector("input").focus();
      } else if (next) {
        cards[Math.max(0, Math.min(cards.length - 1, cards.indexOf(card) + next))].focus();
      } else return;
      event.preventDefault();
    });
  }

  cards.forEach(control);
  document.getElementById("save").addEventListener("click", save);
  document.getElementById("reset").addEventListener("click", () => {
    if (!decided.size || confirm(`Forget ${decided.size} decisions?`)) { decided.clear(); decide("", {}); }
  });
  document.getElementById("bar").hidden = false;
  show();
})();
