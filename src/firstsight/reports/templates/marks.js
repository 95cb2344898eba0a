"use strict";

/* What a person says of images, regions and kinds. It is kept in the browser, and saved as a file that the next run reads. */

firstsight.marks = {
  columns: ["collection", "detector", "image", "x", "y", "width", "height", "verdict", "name"],
  words: ["defect", "normal", "not of interest"],
  rows: new Map(),

  start() {
    this.place = `firstsight ${location.pathname}`;
    for (const row of firstsight.given) this.rows.set(this.key(row), row);
    for (const row of this.stored()) this.rows.set(this.key(row), row);
    document.getElementById("save").addEventListener("click", () => this.save());
    this.count();
  },

  stored() {
    try {
      return JSON.parse(localStorage.getItem(this.place) ?? "[]");
    } catch {
      return [];
    }
  },

  key({ collection, detector, image, x, y, width, height, verdict }) {
    return JSON.stringify([collection, detector, image, x, y, width, height, verdict === "kind"]);
  },

  /* The thing that is judged: an image as a detector sees it, or one of its regions. */
  thing(image, detector, region = {}) {
    const { x = "", y = "", width = "", height = "" } = region;
    return { collection: image.collection.name, detector: detector.name, image: image.name, x, y, width, height, verdict: "", name: "" };
  },

  /* What an image as a detector sees it is known by, whatever of it was judged. */
  image({ collection, detector, image }) {
    return JSON.stringify([collection, detector, image]);
  },

  of(thing) {
    return this.rows.get(this.key(thing));
  },

  /* An empty verdict takes back what was said. It stays among the rows, so that it holds against what the run was given. */
  set(row) {
    this.rows.set(this.key(row), row);
    try {
      localStorage.setItem(this.place, JSON.stringify([...this.rows.values()]));
    } catch {
      // A browser that keeps nothing still saves the file.
    }
    this.count();
  },

  said() {
    return [...this.rows.values()].filter(({ verdict, name }) => verdict !== "" && (verdict !== "kind" || name !== ""));
  },

  count() {
    const said = this.said().length;
    document.getElementById("verdicts").textContent = said ? firstsight.plural(said, "verdict") : "";
    document.getElementById("save").hidden = said === 0;
  },

  /* A menu of verdicts on a thing. */
  menu(thing, label) {
    const menu = firstsight.element("select", { ariaLabel: label },
      ...["", ...this.words].map((word) => new Option(word || "–", word)));
    menu.value = this.of(thing)?.verdict ?? "";
    menu.addEventListener("change", () => this.set({ ...thing, verdict: menu.value }));
    return menu;
  },

  /* A field for the name of the kind that holds an image. */
  nameField(image, detector, current) {
    const thing = { ...this.thing(image, detector), verdict: "kind" };
    const field = firstsight.element("input", {
      type: "text", maxLength: 80, placeholder: "name this kind", ariaLabel: `name of ${current}`, value: this.of(thing)?.name ?? "",
    });
    field.addEventListener("change", () => this.set({ ...thing, name: field.value.trim() }));
    return field;
  },

  /* Text that a spreadsheet would take for a formula gets an apostrophe in front. */
  cell(value) {
    const text = String(value).replace(/^(?=[=+\-@\t\r'])/, "'");
    return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  },

  text() {
    const lines = [this.columns, ...this.said().map((row) => this.columns.map((column) => row[column]))];
    return `\ufeff${lines.map((line) => line.map((value) => this.cell(value)).join(",")).join("\r\n")}\r\n`;
  },

  save() {
    const link = firstsight.element("a", {
      href: URL.createObjectURL(new Blob([this.text()], { type: "text/csv" })), download: "verdicts.csv",
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  },
};
