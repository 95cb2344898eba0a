"use strict";

/* Images that were chosen by hand: those within a line drawn in the chart of likeness, or those most like one image.
   What was chosen stands in two fields of the gallery's form, as <collection>/<detector>/<points or image>. */

firstsight.selection = {
  /* The place of each image that was chosen, by its id; null where nothing was. */
  places: null,

  start() {
    this.chip = document.getElementById("chosen");
    this.chip.addEventListener("click", () => this.choose("", "").then(() => firstsight.gallery.form.elements.order.focus()));
  },

  fields() {
    const { like, within } = firstsight.gallery.form.elements;
    return { like, within };
  },

  /* Choose images, and show these alone. */
  async choose(name, value) {
    for (const field of Object.values(this.fields())) field.value = field.name === name ? value : "";
    await this.follow();
    firstsight.gallery.filter();
  },

  likeness(image, detector) {
    return this.choose("like", [image.collection.name, detector.name, image.name].join("/"));
  },

  /* Find the images that the fields name. */
  async follow() {
    const { like, within } = this.fields();
    const field = [like, within].find(({ value }) => value !== "");
    const [collectionName, detectorName, ...rest] = (field?.value ?? "").split("/");
    const collection = firstsight.collections.find(({ name }) => name === collectionName);
    const number = collection?.detectors.findIndex(({ name }) => name === detectorName) ?? -1;
    this.places = null;
    this.chip.hidden = number < 0;
    if (number < 0) return;
    await firstsight.load(`charts-${collection.place}-${number}`);
    const detector = collection.detectors[number];
    const what = rest.join("/");
    const rows = field === like ? await this.nearest(collection, detector, what) : this.enclosed(detector, what);
    this.places = new Map(rows.map((row, place) => [collection.first + row, place]));
    this.chip.textContent = `✕ ${field === like ? `like ${what}` : "chosen in the chart"}`;
    firstsight.gallery.form.elements.collection.value = String(collection.place);
    firstsight.gallery.form.elements.detector.value = detectorName;
    firstsight.gallery.listClusters();
  },

  /* The image, then those nearest to it by their descriptors. */
  async nearest(collection, detector, name) {
    const own = await firstsight.find(collection, name);
    const { row, near } = detector.charts.scatter;
    const point = row.indexOf(own);
    return [own, ...(near[point] ?? []).map((other) => row[other])].filter((each) => each >= 0);
  },

  /* The images whose points lie within a closed line, given as x,y,x,y,… in the units of the chart. */
  enclosed(detector, text) {
    const numbers = text.split(",").map(Number);
    const line = Array.from({ length: Math.floor(numbers.length / 2) }, (_, index) => [numbers[2 * index], numbers[2 * index + 1]]);
    const { row, across, up } = firstsight.draw.plane(detector);
    return row.filter((_, index) => this.inside(line, across[index], up[index]));
  },

  /* Whether a ray from the point to the right crosses the line an odd number of times. */
  inside(line, x, y) {
    let odd = false;
    line.forEach(([toX, toY], index) => {
      const [fromX, fromY] = line.at(index - 1);
      if ((fromY > y) !== (toY > y) && x < fromX + ((toX - fromX) * (y - fromY)) / (toY - fromY)) odd = !odd;
    });
    return odd;
  },

  /* Let a line be drawn in a chart of likeness, an svg in its own units; what it encloses is chosen. */
  lasso(chart, collection, detector) {
    const { svg } = firstsight.draw;
    const key = `${collection.name}/${detector.name}/`;
    const shape = svg("polygon", { class: "lasso" });
    let line = null;
    const at = ({ clientX, clientY }) => {
      const { left, top, width } = chart.getBoundingClientRect();
      return [clientX - left, clientY - top].map((length) => Math.round((length * firstsight.draw.width) / width));
    };
    chart.prepend(shape);
    chart.addEventListener("pointerdown", (event) => { if (event.button === 0) line = [at(event)]; });
    chart.addEventListener("pointermove", (event) => {
      if (!line) return;
      const point = at(event);
      const last = line.at(-1);
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) < 6) return;
      if (line.length === 1) chart.setPointerCapture(event.pointerId);
      line.push(point);
      shape.setAttribute("points", line.flat().join(" "));
    });
    chart.addEventListener("pointerup", () => {
      const drawn = line;
      line = null;
      if (drawn?.length > 2) this.choose("within", key + drawn.flat().join(",")).catch((error) => firstsight.complain(error));
    });
    chart.addEventListener("pointercancel", () => { line = null; });
    const show = () => {
      const { value } = this.fields().within;
      if (!line) shape.setAttribute("points", value.startsWith(key) ? value.slice(key.length).replaceAll(",", " ") : "");
    };
    firstsight.gallery.watchers.push(show);
    show();
  },
};
