"use strict";

/* The viewer: one image with its map, contours and regions, and the scores of every detector. */

firstsight.viewer = {
  layer: "overlay",
  boxes: false,

  start() {
    const part = (name) => document.getElementById(`viewer-${name}`);
    this.dialog = document.getElementById("viewer");
    this.parts = Object.fromEntries(
      ["name", "place", "picture", "lines", "facts", "verdict", "detectors", "legend", "regions"].map((name) => [name, part(name)]));
    this.dialog.addEventListener("click", (event) => {
      const { step, layer, boxes, close, detector } = event.target.closest("button")?.dataset ?? {};
      if (step) this.step(Number(step));
      if (layer) this.layer = layer;
      if (boxes !== undefined) this.boxes = !this.boxes;
      if (detector) this.detectorName = this.image.collection.detectors[Number(detector)].name;
      if (layer || boxes !== undefined) this.draw();
      if (detector) { this.fill(); firstsight.address.image(); this.parts.detectors.querySelector(`[data-detector="${detector}"]`).focus(); }
      if (close !== undefined || event.target === this.dialog) this.dialog.close();
    });
    this.dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.step(step);
    });
    // An image that was opened by its address gets its neighbours when they have been read.
    firstsight.listeners.push(() => {
      if (!this.dialog.open || this.ids.length > 1 || !firstsight.gallery.ids.includes(this.image.id)) return;
      this.ids = firstsight.gallery.ids;
      this.fillPlace();
    });
    this.dialog.addEventListener("close", () => {
      if (location.hash.includes("/")) firstsight.address.gallery();
      // The browser gives the focus back to what opened the viewer; better is the card of the image seen last.
      document.querySelector(`.card[data-id="${this.image.id}"]`)?.focus();
    });
  },

  /* Show an image as a detector sees it; the arrow keys go through the ids. */
  async open(id, detectorName, ids) {
    this.detectorName = detectorName;
    this.ids = ids.includes(id) ? ids : [id];
    try {
      await this.show(id);
    } catch (error) {
      firstsight.complain(error);
      return;
    }
    firstsight.address.image();
    if (!this.dialog.open) this.dialog.showModal();
    this.parts.picture.scrollIntoView({ block: "nearest" });
  },

  step(by) {
    const place = this.ids.indexOf(this.image.id) + by;
    if (place >= 0 && place < this.ids.length) this.show(this.ids[place]).then(() => firstsight.address.image()).catch((error) => firstsight.complain(error));
  },

  async show(id) {
    const { collection, row } = firstsight.locate(id);
    const chunk = Math.floor(row / firstsight.chunkRows);
    this.wanted = id;
    await Promise.all(["images", "regions"].map((kind) => firstsight.load(`${kind}-${collection.place}-${chunk}`)));
    if (this.wanted !== id) return;
    this.image = firstsight.image(id);
    this.regions = collection.regionsOf.get(chunk);
    this.fill();
  },

  detector() {
    const { detectors } = this.image.collection;
    const here = detectors.filter(({ score }) => !Number.isNaN(score[this.image.row]));
    return here.find(({ name }) => name === this.detectorName) ?? here[0];
  },

  regionsOf(detector) {
    return this.regions[this.image.collection.detectors.indexOf(detector)].get(this.image.row) ?? [];
  },

  fill() {
    const { image, parts } = this;
    const detector = this.detector();
    parts.name.textContent = image.name;
    this.fillPlace();
    const label = image.label === null ? "" : `, label ${image.label}`;
    const size = `${image.width.toLocaleString("en")} x ${image.height.toLocaleString("en")} pixels`;
    parts.facts.textContent = `${image.collection.name}, ${size}${label}`;
    parts.legend.src = detector.colourBar;
    parts.legend.alt = "colours of the map";
    parts.verdict.replaceChildren(firstsight.marks.menu(firstsight.marks.thing(image, detector), "verdict on the image"));
    this.fillDetectors(detector);
    this.fillRegions(detector);
    this.draw();
  },

  /* Which of how many images it is, and whether there are more on either side. */
  fillPlace() {
    const place = this.ids.indexOf(this.image.id);
    this.parts.place.textContent = `${(place + 1).toLocaleString("en")} of ${this.ids.length.toLocaleString("en")}`;
    for (const button of this.dialog.querySelectorAll("[data-step]")) {
      const to = place + Number(button.dataset.step);
      button.setAttribute("aria-disabled", String(to < 0 || to >= this.ids.length));
    }
  },

  fillDetectors(current) {
    const { number, percent, element } = firstsight;
    const { row, collection } = this.image;
    const rows = collection.detectors.map((detector, index) => {
      const button = element("button", { type: "button", disabled: Number.isNaN(detector.score[row]) }, detector.name);
      button.dataset.detector = index;
      button.setAttribute("aria-pressed", String(detector === current));
      const cluster = firstsight.cluster(detector, detector.cluster[row]);
      const medoid = cluster?.medoid === row ? ", medoid" : "";
      return [button, number(detector.score[row]), number(detector.p_value[row]), number(detector.threshold[row]),
        percent(detector.area[row]), cluster ? `${cluster.name}${medoid}` : "–"];
    });
    this.table(this.parts.detectors, ["detector", "score", "p-value", "threshold", "area", "cluster"], rows, [1, 2, 3, 4]);
  },

  fillRegions(detector) {
    const { number, percent } = firstsight;
    const { width, height } = this.image;
    const rows = this.regionsOf(detector).map((region, index) => [
      String(index + 1), `${region.x}, ${region.y}`, `${region.width} x ${region.height}`,
      percent(region.area / (width * height)), number(region.score_max), number(region.score_mean),
      region.cluster_name ?? "–",
      firstsight.marks.menu(firstsight.marks.thing(this.image, detector, region), `verdict on region ${index + 1}`),
    ]);
    this.table(this.parts.regions, ["", "at", "size", "area", "highest", "mean", "like", "verdict"], rows, [0, 1, 2, 3, 4, 5]);
    if (rows.length === 0) this.parts.regions.replaceChildren(firstsight.element("caption", {}, "none"));
  },

  table(target, head, rows, numbers) {
    const { element } = firstsight;
    const cell = (tag) => (content, index) =>
      element(tag, { className: numbers.includes(index) ? "number" : "", dir: "auto" }, content);
    target.replaceChildren(
      element("thead", {}, element("tr", {}, ...head.map(cell("th")))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell("td"))))));
  },

  draw() {
    const { image, parts, layer } = this;
    const detector = this.detector();
    const [folder, suffix] = layer === "overlay" ? [[], "png"] : [["pictures"], "webp"];
    parts.picture.src = firstsight.picture(image, detector, folder, suffix);
    parts.picture.alt = layer === "overlay" ? `${image.name} with its anomaly map, ${detector.name}` : image.name;
    parts.picture.onload = () => {
      const { naturalWidth, naturalHeight } = parts.picture;
      parts.picture.parentElement.style.aspectRatio = `${naturalWidth} / ${naturalHeight}`;
    };
    parts.lines.hidden = layer !== "lines";
    if (layer === "lines") parts.lines.src = firstsight.picture(image, detector, ["lines"], "png");
    for (const button of this.dialog.querySelectorAll("[data-layer]")) {
      button.setAttribute("aria-pressed", String(button.dataset.layer === layer));
    }
    const toggle = this.dialog.querySelector("[data-boxes]");
    toggle.setAttribute("aria-pressed", String(this.boxes));
    // On a strip cut in pieces boxes would lie elsewhere.
    toggle.disabled = image.pieces > 1;
    this.dialog.querySelector(".picture svg")?.remove();
    if (this.boxes && image.pieces === 1) parts.lines.after(this.outlines(detector));
  },

  outlines(detector) {
    const { svg } = firstsight.draw;
    const { width, height } = this.image;
    const size = Math.max(width, height) / 32;
    const shapes = this.regionsOf(detector).flatMap((region, index) => [
      svg("rect", { x: region.x, y: region.y, width: region.width, height: region.height }),
      svg("text", { x: region.x + size / 4, y: Math.max(region.y - size / 4, size), "font-size": size }, String(index + 1)),
    ]);
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...shapes);
  },
};
