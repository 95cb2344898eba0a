"use strict";

/* The viewer: one image with its map, contours and regions, and the scores of every detector. */

firstsight.viewer = {
  opacity: 1,
  lines: true,
  boxes: false,
  scale: 1,
  x: 0.5,
  y: 0.5,

  start() {
    const part = (name) => document.getElementById(`viewer-${name}`);
    this.dialog = document.getElementById("viewer");
    this.parts = Object.fromEntries(["name", "place", "panes", "opacity", "beside", "original", "like", "facts", "verdict", "detectors", "legend", "regions"]
      .map((name) => [name, part(name)]));
    this.panes = [new firstsight.Pane(this), new firstsight.Pane(this)];
    this.parts.panes.append(this.panes[0].figure);
    this.dialog.addEventListener("click", (event) => {
      const { step, lines, boxes, zoom, close, detector } = event.target.closest("button")?.dataset ?? {};
      if (step) this.step(Number(step));
      if (lines !== undefined) this.setLayers({ lines: !this.lines });
      if (boxes !== undefined) this.setLayers({ boxes: !this.boxes });
      if (zoom) this.zoomBy(Number(zoom));
      if (detector) {
        this.detectorName = this.image.collection.detectors[Number(detector)].name;
        this.refill();
        this.parts.detectors.querySelector(`[data-detector="${detector}"]`).focus();
      }
      if (close !== undefined || event.target === this.dialog) this.dialog.close();
    });
    this.parts.like.addEventListener("click", () => {
      const { image } = this;
      const detector = this.detector();
      this.dialog.close();
      firstsight.selection.likeness(image, detector).then(() => firstsight.gallery.comeIntoView()).catch((error) => firstsight.complain(error));
    });
    this.parts.opacity.addEventListener("input", ({ target }) => this.setLayers({ opacity: target.value / 100 }));
    this.parts.beside.addEventListener("change", ({ target }) => { this.beside = target.value; this.refill(); });
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    // A row lights its box, and a box its row; a region's number zooms to it.
    for (const [type, lights] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]]) {
      for (const place of [this.parts.regions, this.panes[0].stage]) {
        place.addEventListener(type, ({ target }) => this.light(lights ? target.closest("[data-region]")?.dataset.region : undefined));
      }
    }
    this.parts.regions.addEventListener("click", ({ target }) => {
      const region = target.closest("button:not(.plain)")?.closest("[data-region]")?.dataset.region;
      if (region) this.zoomTo(this.regionsOf(this.detector())[region]);
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

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    const zoom = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 }[event.key];
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const moves = move && this.scale > 1 && event.target.matches(".picture");
    if (zoom === undefined && !moves && !move?.[0]) return;
    event.preventDefault();
    if (zoom !== undefined) this.zoomBy(zoom);
    else if (moves) this.moveBy(move[0] / 8, move[1] / 8);
    else this.step(move[0]);
  },

  /* Show an image as a detector sees it; the arrow keys go through the ids. */
  async open(id, detectorName, ids, beside = this.beside) {
    this.detectorName = detectorName;
    this.beside = beside;
    this.ids = ids.includes(id) ? ids : [id];
    try {
      await this.show(id);
    } catch (error) {
      firstsight.complain(error);
      return;
    }
    firstsight.address.image();
    if (!this.dialog.open) this.dialog.showModal();
    this.parts.panes.scrollIntoView({ block: "nearest" });
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
    Object.assign(this, { scale: 1, x: 0.5, y: 0.5 });
    this.fill();
  },

  /* The detectors that saw the image. */
  seenBy() {
    return this.image.collection.detectors.filter(({ score }) => !Number.isNaN(score[this.image.row]));
  },

  detector() {
    const here = this.seenBy();
    return here.find(({ name }) => name === this.detectorName) ?? here[0];
  },

  regionsOf(detector) {
    const regions = this.regions[this.image.collection.detectors.indexOf(detector)].get(this.image.row) ?? [];
    return regions.filter((region) => firstsight.trial.holds(detector, this.image.row, region));
  },

  refill() {
    this.fill();
    firstsight.address.image();
  },

  fill() {
    const { image, parts } = this;
    const detector = this.detector();
    parts.name.textContent = image.name;
    this.fillPlace();
    const label = image.label === null ? "" : `, label ${image.label}`;
    const size = `${image.width.toLocaleString("en")} x ${image.height.toLocaleString("en")} pixels`;
    parts.facts.textContent = [`${image.collection.name}, ${size}${label}`, ...image.notes].join(", ");
    parts.legend.src = detector.colourBar;
    parts.legend.alt = "colours of the map";
    parts.original.parentElement.hidden = image.original === null;
    parts.original.href = image.original ?? "";
    parts.verdict.replaceChildren(firstsight.marks.menu(firstsight.marks.thing(image, detector), "verdict on the image"));
    parts.like.parentElement.hidden = Number.isNaN(detector.cluster[image.row]);
    this.fillDetectors(detector);
    this.fillRegions(detector);
    this.fillPanes(detector);
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
    const { number, percent, element } = firstsight;
    const { width, height } = this.image;
    const rows = this.regionsOf(detector).map((region, index) => [
      element("button", { type: "button", title: "zoom to this region", ariaLabel: `region ${index + 1}: zoom` }, String(index + 1)),
      `${region.x}, ${region.y}`, `${region.width} x ${region.height}`,
      percent(region.area / (width * height)), number(region.score_max), number(region.score_mean),
      this.kindOf(region, detector),
      firstsight.marks.menu(firstsight.marks.thing(this.image, detector, region), `verdict on region ${index + 1}`),
    ]);
    this.table(this.parts.regions, ["no.", "at", "size", "area", "highest", "mean", "like", "verdict"], rows, [0, 1, 2, 3, 4, 5]);
    for (const [index, row] of this.parts.regions.querySelectorAll("tbody tr").entries()) row.dataset.region = index;
    const none = firstsight.trial.differs(detector, this.image.row)
      ? detector.regions[this.image.row] > 0 ? "none at the threshold that is tried" : "some at the threshold that is tried; the next run finds them"
      : "none";
    if (rows.length === 0) this.parts.regions.replaceChildren(element("caption", {}, none));
  },

  /* The kind that a region is like; it shows the kind's images. */
  kindOf(region, detector) {
    const cluster = detector.clusters.find(({ name, number }) => number >= 0 && name === region.cluster_name);
    if (!cluster) return region.cluster_name ?? "–";
    const button = firstsight.element("button", { type: "button", className: "plain", title: "show images of this kind" }, cluster.name);
    const { place } = this.image.collection;
    button.addEventListener("click", () => {
      this.dialog.close();
      firstsight.gallery.showCluster(detector.name, `${place}/${cluster.number}`);
    });
    return button;
  },

  table(target, head, rows, numbers) {
    const { element } = firstsight;
    const cell = (tag) => (content, index) =>
      element(tag, { className: numbers.includes(index) ? "number" : "", dir: "auto" }, content);
    target.replaceChildren(
      element("thead", {}, element("tr", {}, ...head.map(cell("th")))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell("td"))))));
  },

  /* One pane, or two where another detector is shown beside. */
  fillPanes(detector) {
    const others = this.seenBy().filter((other) => other !== detector);
    const beside = others.find(({ name }) => name === this.beside);
    const [first, second] = this.panes;
    this.parts.beside.parentElement.hidden = others.length === 0;
    this.parts.beside.replaceChildren(new Option("–", ""), ...others.map(({ name }) => new Option(name, name)));
    this.parts.beside.value = beside?.name ?? "";
    this.dialog.querySelector(".view").classList.toggle("two", beside !== undefined);
    first.show(this.image, detector, this.regionsOf(detector), beside !== undefined);
    if (beside) {
      this.parts.panes.append(second.figure);
      second.show(this.image, beside, this.regionsOf(beside), true);
    } else {
      second.figure.remove();
    }
    this.draw();
  },

  /* Change what is drawn. The map has its contours in it: without contours it is gone, too. */
  setLayers(changed) {
    Object.assign(this, changed);
    if (changed.opacity > 0) this.lines = true;
    if (changed.lines === false) this.opacity = 0;
    this.draw();
  },

  /* Zoom by a factor, 0 to see all, about a point of the frame that stays where it is. */
  zoomBy(factor, atX = 0.5, atY = 0.5) {
    const most = Math.max(8, Math.max(this.image.width, this.image.height) / 100);
    const scale = Math.min(Math.max(this.scale * factor, 1), most);
    const shift = 1 / this.scale - 1 / scale;
    this.moveTo(scale, this.x + (atX - 0.5) * shift, this.y + (atY - 0.5) * shift);
  },

  moveBy(x, y) {
    this.moveTo(this.scale, this.x + x / this.scale, this.y + y / this.scale);
  },

  moveTo(scale, x, y) {
    const within = (value) => Math.min(Math.max(value, 0.5 / scale), 1 - 0.5 / scale);
    Object.assign(this, { scale, x: within(x), y: within(y) });
    this.draw();
  },

  zoomTo({ x, y, width, height }) {
    const { image } = this;
    if (image.pieces > 1) return;
    const scale = Math.min(Math.max(0.4 / Math.max(width / image.width, height / image.height), 1), 16);
    this.moveTo(scale, (x + width / 2) / image.width, (y + height / 2) / image.height);
  },

  light(region) {
    for (const each of this.dialog.querySelectorAll("#viewer-regions [data-region], .pane:first-child [data-region]")) {
      each.classList.toggle("lit", each.dataset.region === region);
    }
  },

  draw() {
    const [first, second] = this.panes;
    first.draw();
    if (second.figure.isConnected) second.draw();
    this.parts.opacity.value = 100 * this.opacity;
    for (const [name, pressed] of [["lines", this.lines], ["boxes", this.boxes]]) {
      this.dialog.querySelector(`[data-${name}]`).setAttribute("aria-pressed", String(pressed));
    }
    // On a strip cut in pieces boxes would lie elsewhere.
    this.dialog.querySelector("[data-boxes]").disabled = this.image.pieces > 1;
  },
};
