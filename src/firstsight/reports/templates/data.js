"use strict";

/* The data of the page. Files are scripts that call firstsight.summary, .images, .regions, .charts or .pictures, since a
   page from disk may read no others. An image is known by its id: its row in its collection, plus the rows of collections before. */

const firstsight = {
  collections: [],
  given: [],
  total: 0,
  read: 0,
  announced: 0,
  timer: 0,
  files: new Map(),
  pictureFiles: new Map(),
  mostPictureFiles: 100,
  listeners: [],

  summary(content) {
    this.chunkRows = content.chunkRows;
    this.front = content.front;
    this.given = content.verdicts;
    this.notes = content.notes;
    this.noted = content.noted;
    this.pictureGroups = content.pictureGroups;
    this.places = content.pictures;
    for (const [place, collection] of content.collections.entries()) {
      const empty = () => new Float64Array(collection.rows).fill(NaN);
      for (const detector of collection.detectors) {
        for (const column of ["score", "p_value", "threshold", "area", "regions", "cluster", "distance", "strength", "peak"]) detector[column] = empty();
      }
      this.collections.push({
        ...collection, place, first: this.total, columns: {}, chunks: new Set(), regionsOf: new Map(),
      });
      this.total += collection.rows;
    }
  },

  images({ collection, start, columns, detectors }) {
    const target = this.collections[collection];
    for (const [name, values] of Object.entries(columns)) {
      target.columns[name] ??= new Array(target.rows);
      values.forEach((value, row) => { target.columns[name][start + row] = value; });
    }
    detectors.forEach((results, number) => {
      for (const [name, values] of Object.entries(results)) {
        values.forEach((value, row) => { target.detectors[number][name][start + row] = value ?? NaN; });
      }
    });
    target.chunks.add(start / this.chunkRows);
    this.read += columns.image.length;
    this.announce();
  },

  /* Tell the parts of the page that images came in: for the first and the last at once, otherwise once a second. */
  announce() {
    const now = this.announced === 0 || this.read === this.total;
    if (this.timer && !now) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.announced = this.read;
      for (const listener of this.listeners) listener();
    }, now ? 0 : 1000);
  },

  /* Regions by row, for each detector: Map of row -> [{x, y, width, ...}]. */
  regions({ collection, start, detectors }) {
    const byDetector = detectors.map((columns) => {
      const rows = new Map();
      columns.row.forEach((row, index) => {
        const region = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[index]]));
        rows.set(row, [...(rows.get(row) ?? []), region]);
      });
      return rows;
    });
    this.collections[collection].regionsOf.set(start / this.chunkRows, byDetector);
  },

  charts(content) {
    this.collections[content.collection].detectors[content.detector].charts = content;
  },

  /* Read a file of data once; the promise is kept when the function in the file has been called. */
  load(name) {
    if (!this.files.has(name)) {
      this.files.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = `data/${name}.js`;
        script.onload = resolve;
        script.onerror = () => reject(new Error(`data/${name}.js cannot be read`));
        document.head.append(script);
      }));
    }
    return this.files.get(name);
  },

  /* Read all images, the first chunk of every collection before the others. */
  async loadAll() {
    const chunks = this.collections.flatMap(({ place, rows }) =>
      Array.from({ length: Math.ceil(rows / this.chunkRows) }, (_, chunk) => ({ place, chunk })));
    chunks.sort((one, other) => (one.chunk > 0) - (other.chunk > 0));
    for (const { place, chunk } of chunks) await this.load(`images-${place}-${chunk}`);
  },

  /* The row of the image of that name, or -1; chunks are read until it is there. */
  async find(collection, name) {
    for (let chunk = 0; chunk * this.chunkRows < collection.rows; chunk += 1) {
      await this.load(`images-${collection.place}-${chunk}`);
      const row = collection.columns.image.indexOf(name, chunk * this.chunkRows);
      if (row >= 0) return row;
    }
    return -1;
  },

  /* Say that a file of data is not there: a folder that was copied in part. */
  complain(error) {
    document.getElementById("count").textContent = `Part of the page is missing: ${error.message}.`;
  },

  /* The collection and the row of an image. */
  locate(id) {
    const collection = this.collections.findLast(({ first }) => first <= id);
    return { collection, row: id - collection.first };
  },

  /* The image with what the page says of it in words; its chunk must have been read. */
  image(id) {
    const { collection, row } = this.locate(id);
    const column = (name) => collection.columns[name]?.[row];
    const encoded = (path) => path.split("/").map(encodeURIComponent).join("/");
    const original = column("original") === "" ? collection.originals + encoded(column("image")) : column("original");
    return {
      id, collection, row, name: column("image"), file: column("file"), shard: collection.shards[column("shard")],
      label: column("label"), width: column("width"), height: column("height"), pieces: column("pieces"),
      original, native: column("native") === 1, notes: this.notes.filter((_, bit) => column("notes") & (1 << bit)),
    };
  },

  /* What a file of pictures holds, by the name of each image there. */
  pictures(content) {
    document.currentScript.pictures = content;
  },

  /* Read a file of pictures; those that were read last are kept. */
  pictureFile(address) {
    const known = this.pictureFiles.get(address) ?? new Promise((resolve, reject) => {
      const script = this.element("script", { src: address });
      script.onload = () => { script.remove(); resolve(script.pictures); };
      script.onerror = () => { script.remove(); reject(new Error(`${address} cannot be read`)); };
      document.head.append(script);
    });
    this.pictureFiles.delete(address);
    this.pictureFiles.set(address, known);
    if (this.pictureFiles.size > this.mostPictureFiles) this.pictureFiles.delete(this.pictureFiles.keys().next().value);
    return known;
  },

  /* The address of a picture of an image: its thumbnail, picture, overlay or lines. The hash at the end of its name says in which file it is. */
  async picture(image, detector, layer) {
    const { file, place, type } = this.places[layer];
    const group = parseInt(image.file.slice(-8), 16) % this.pictureGroups;
    const held = await this.pictureFile(`${detector.folder}/${image.shard}/${file}-${group}.js`);
    return `data:image/${type};base64,${held[image.file][place]}`;
  },

  /* Let an element show a picture as soon as it is read, unless it is to show another one by then. */
  show(shown, image, detector, layer) {
    const wanted = {};
    shown.wanted = wanted;
    this.picture(image, detector, layer).then(
      (address) => { if (shown.wanted === wanted) shown.src = address; },
      (error) => {
        // No picture is better than that of another image.
        if (shown.wanted === wanted) shown.removeAttribute("src");
        this.complain(error);
      },
    );
  },

  /* The same, when the element comes into view. */
  showInView(shown, image, detector, layer) {
    shown.later = () => this.show(shown, image, detector, layer);
    this.inView ??= new IntersectionObserver((entries, observer) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        target.later();
      }
    }, { rootMargin: "600px" });
    this.inView.observe(shown);
  },

  cluster(detector, number) {
    return detector.clusters.find((cluster) => cluster.number === number);
  },

  /* Up to three significant digits; a dash where there is none. */
  number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-4)) return value.toExponential(2);
    return Math.abs(value) >= 999.5 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
  },

  percent(share) {
    if (Number.isNaN(share)) return "–";
    return share > 0 && share < 0.0005 ? "<\u00a00.1\u00a0%" : `${(100 * share).toFixed(share === 0 ? 0 : 1)}\u00a0%`;
  },

  plural(count, word) {
    return `${count.toLocaleString("en")}\u00a0${word}${count === 1 ? "" : "s"}`;
  },

  /* The CSS class of a cluster's colour. */
  colour(number) {
    return number >= 0 ? `k${number % 10}` : "far";
  },

  /* An element with properties and children; text is never taken for HTML. */
  element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  },
};
