"use strict";

/* The charts of a detector: scores, images on a plane, and the tree of the clusters. Drawn when they come into view. */

firstsight.draw = {
  width: 420,
  height: 280,
  most: 60,

  start() {
    const observer = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        this.fill(target).catch((error) => firstsight.complain(error));
      }
    }, { rootMargin: "400px" });
    for (const figure of document.querySelectorAll(".chart")) observer.observe(figure);
  },

  /* Draw the charts that were not seen yet, so that they are there when the page is printed. */
  async rest() {
    const waiting = [...document.querySelectorAll(".chart:not([data-drawn])")].slice(0, this.most);
    for (const figure of waiting) await this.fill(figure);
  },

  async fill(figure) {
    if (figure.dataset.drawn) return;
    figure.dataset.drawn = "yes";
    const { chart } = figure.dataset;
    await firstsight.load(`charts-${figure.dataset.collection}-${figure.dataset.detector}`);
    const collection = firstsight.collections[figure.dataset.collection];
    const detector = collection.detectors[figure.dataset.detector];
    const { clusters } = detector;
    const { parts, note } = this[chart](detector, collection);
    figure.querySelector(".quiet").textContent = note;
    if (!parts.length) return;
    const title = figure.querySelector("b").textContent;
    const size = `0 0 ${this.width} ${this.height}`;
    figure.append(this.svg("svg", { viewBox: size, role: "img", "aria-label": `${title}: ${note}` }, ...parts));
    if (chart === "histogram") this.follow(figure, detector, collection);
    if (chart === "scatter") {
      firstsight.selection.lasso(figure.querySelector("svg"), collection, detector);
      figure.append(this.key(detector, collection, clusters));
    }
    if (chart === "tree") figure.append(this.key(detector, collection, clusters.filter(({ number }) => number >= 0)));
  },

  svg(tag, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  },

  /* Clusters with their colours; each shows its images in the gallery. */
  key(detector, collection, clusters) {
    const { element } = firstsight;
    return element("ul", { className: "key" }, ...clusters.map(({ number, name }) => {
      const button = element("button", { type: "button" },
        element("span", { className: `dot ${firstsight.colour(number)}` }), name);
      button.addEventListener("click", () => firstsight.gallery.showCluster(detector.name, `${collection.place}/${number}`));
      return element("li", {}, button);
    }));
  },

  /* Let the bars of the anomalous images follow the threshold that is tried. */
  follow(figure, detector, collection) {
    const control = firstsight.trial.control(detector, collection);
    if (control) figure.append(control);
    firstsight.trial.watchers.push(() => {
      const chart = figure.querySelector("svg");
      const { parts } = this.histogram(detector);
      chart.replaceChildren(...parts);
    });
  },

  /* How many images of each bin of a histogram are anomalous. */
  anomalousOf(detector) {
    const { low, high, counts, anomalous } = detector.charts.histogram;
    if (detector !== firstsight.trial.detector) return anomalous;
    const found = new Array(counts.length).fill(0);
    detector.score.forEach((score, row) => {
      if (Number.isNaN(score) || !firstsight.trial.anomalous(detector, row)) return;
      const bin = high > low ? Math.floor(((score - low) / (high - low)) * counts.length) : 0;
      found[Math.min(Math.max(bin, 0), counts.length - 1)] += 1;
    });
    return found;
  },

  histogram(detector) {
    const { low, high, counts } = detector.charts.histogram;
    const anomalous = this.anomalousOf(detector);
    const { svg, width, height } = this;
    if (!counts.length) return { parts: [], note: "no image has a map" };
    const most = Math.max(...counts);
    const [left, right, top, bottom] = [36, width - 12, 26, height - 28];
    const at = (value) => left + (right - left) * (high > low ? (value - low) / (high - low) : 0.5);
    const bin = (high - low) / counts.length;
    const parts = counts.flatMap((count, index) => {
      const start = low + index * bin;
      const range = `from ${firstsight.number(start)} to ${firstsight.number(start + bin)}`;
      const bar = (name, images, title) => {
        const tall = ((bottom - top) * images) / most;
        const place = { x: at(start) + 0.5, y: bottom - tall, width: Math.max(at(start + bin) - at(start) - 1, 1), height: tall };
        return images ? [svg("rect", { class: name, ...place }, svg("title", {}, title))] : [];
      };
      return [
        ...bar("bar", count, `${firstsight.plural(count, "image")} ${range}`),
        ...bar("bar above", anomalous[index], `${firstsight.plural(anomalous[index], "anomalous image")} ${range}`),
      ];
    });
    parts.push(
      svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
      svg("text", { x: left, y: height - 10 }, firstsight.number(low)),
      svg("text", { x: right, y: height - 10, "text-anchor": "end" }, firstsight.number(high)),
      svg("text", { x: left - 6, y: top + 10, "text-anchor": "end" }, most.toLocaleString("en")),
      svg("text", { x: left - 6, y: bottom, "text-anchor": "end" }, "0"));
    return { parts, note: "how many images have which score, the mean of the highest hundredth of their map; strong: those with a region" };
  },

  /* Where the images of a detector lie in its chart of likeness, in the units of the chart. */
  plane({ charts }) {
    const { row, x, y } = charts.scatter;
    const span = (values) => [Math.min(...values), Math.max(...values)];
    const place = (values, low, high) => {
      const [least, most] = span(values);
      return values.map((value) => (most > least ? low + ((high - low) * (value - least)) / (most - least) : (low + high) / 2));
    };
    return { row, across: place(x, 14, this.width - 14), up: place(y, this.height - 14, 14) };
  },

  scatter(detector, collection) {
    const { method } = detector.charts.scatter;
    const { svg } = this;
    const { row, across, up } = this.plane(detector);
    const radius = row.length > 500 ? 3 : row.length > 100 ? 4.5 : 6;
    const parts = row.map((imageRow, index) => {
      const circle = svg("circle", { cx: across[index], cy: up[index], r: radius, fill: "currentColor", class: "far" });
      circle.dataset.row = imageRow;
      return circle;
    });
    const group = svg("g", {}, ...parts);
    const paint = () => parts.forEach((circle, index) => {
      circle.setAttribute("class", firstsight.colour(detector.cluster[row[index]]));
    });
    paint();
    firstsight.listeners.push(paint);
    group.addEventListener("click", ({ target }) => {
      if (target.dataset.row) firstsight.viewer.open(collection.first + Number(target.dataset.row), detector.name, firstsight.gallery.ids);
    });
    for (const [type, shows] of [["pointerover", true], ["pointerout", false]]) {
      group.addEventListener(type, (event) => this.hover(shows ? event : null, detector, collection));
    }
    const some = row.length < detector.score.length ? `${row.length.toLocaleString("en")} of ` : "";
    const note = `near points are alike (${method} of the descriptors, ${some}${firstsight.plural(detector.score.length, "image")}); click one to see it, draw a line around some to choose them`;
    return { parts: row.length ? [group] : [], note: row.length ? note : "no image has a descriptor" };
  },

  /* The picture of the point under the pointer, beside it. */
  hover(event, detector, collection) {
    const hint = document.getElementById("hint");
    const row = event?.target.dataset.row;
    const image = row === undefined ? null : firstsight.image(collection.first + Number(row));
    hint.hidden = !image?.file;
    if (hint.hidden) return;
    firstsight.show(hint.querySelector("img"), image, detector, "thumbnail");
    hint.querySelector("span").textContent = image.name;
    hint.style.left = `${Math.min(event.clientX + 14, document.documentElement.clientWidth - 180)}px`;
    hint.style.top = `${Math.max(event.clientY - 190, 4)}px`;
  },

  tree(detector, collection) {
    const { tree } = detector.charts;
    const { svg, width, height } = this;
    if (!tree) return { parts: [], note: "there are too few images in clusters" };
    const { leaves, joins } = tree;
    const highest = Math.max(...joins.map(({ high }) => high)) || 1;
    const [top, bottom] = [10, height - 34];
    const step = (width - 24) / leaves.length;
    const across = (leaf) => 12 + (leaf + 0.5) * step;
    const up = (distance) => bottom - ((bottom - top) * distance) / highest;
    const branches = joins.map(({ x, low, high }) => svg("path", {
      class: "branch", d: `M${across(x[0])} ${up(low[0])}V${up(high)}H${across(x[1])}V${up(low[1])}`,
    }));
    const most = Math.max(...leaves.map(({ images }) => images));
    const dots = leaves.map(({ images, cluster }, leaf) => {
      const size = Math.min(step * 0.8, 10) * (0.5 + 0.5 * Math.sqrt(images / most));
      const name = firstsight.cluster(detector, cluster)?.name;
      const shape = svg("rect", {
        x: across(leaf) - size / 2, y: bottom + 2, width: size, height: 12, fill: "currentColor", class: firstsight.colour(cluster),
      }, svg("title", {}, `${firstsight.plural(images, "image")}, most of them ${name}`));
      shape.addEventListener("click", () => firstsight.gallery.showCluster(detector.name, `${collection.place}/${cluster}`));
      const count = step > 14 ? [svg("text", { x: across(leaf), y: bottom + 28, "text-anchor": "middle" }, String(images))] : [];
      return svg("g", {}, shape, ...count);
    });
    const some = firstsight.plural(leaves.reduce((sum, { images }) => sum + images, 0), "image");
    return { parts: [...branches, ...dots], note: `Ward's linkage of ${some}; what joins low is alike` };
  },
};
