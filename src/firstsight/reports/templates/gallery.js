"use strict";

/* The gallery: which images, in which order, sixty at a time. */

firstsight.gallery = {
  step: 60,
  shown: 60,
  items: [],
  ids: [],
  watchers: [],

  start() {
    this.form = document.getElementById("filters");
    this.cards = document.getElementById("cards");
    this.count = document.getElementById("count");
    this.more = document.getElementById("more");
    const names = new Set(firstsight.collections.flatMap(({ detectors }) => detectors.map(({ name }) => name)));
    this.options("collection", [["", "all"], ...firstsight.collections.map(({ name, place }) => [String(place), name])]);
    this.options("detector", [...names].map((name) => [name, name]));
    const notes = firstsight.notes.map((note, bit) => [String(bit), note]).filter(([bit]) => firstsight.noted & (1 << bit));
    this.options("note", [["", "all"], ...notes]);
    this.form.elements.note.parentElement.hidden = notes.length === 0;
    this.listClusters();
    this.form.hidden = firstsight.total === 0;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", ({ target }) => {
      if (["collection", "detector"].includes(target.name)) this.listClusters();
      if (target.matches("select")) this.filter();
    });
    this.form.addEventListener("input", ({ target }) => {
      if (target.matches("input")) this.filter();
    });
    this.form.addEventListener("reset", () => setTimeout(() => { this.form.elements.tried.value = ""; firstsight.trial.follow(); this.listClusters(); firstsight.selection.choose("", ""); }));
    this.more.addEventListener("click", () => this.showMore());
    this.cards.addEventListener("click", (event) => {
      const card = event.target.closest(".card");
      const all = event.target.closest("[data-all]");
      if (card) firstsight.viewer.open(Number(card.dataset.id), this.detectorName(), this.ids);
      if (all) this.showCluster(this.detectorName(), all.dataset.all);
    });
    firstsight.listeners.push(() => this.refresh(true));
    this.refresh();
  },

  options(name, pairs) {
    this.form.elements[name].replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
  },

  detectorName() {
    return this.form.elements.detector.value;
  },

  /* The collections that are looked at, each with its detector of the chosen name. */
  sources() {
    const place = this.form.elements.collection.value;
    return firstsight.collections
      .filter((collection) => place === "" || String(collection.place) === place)
      .map((collection) => ({ collection, detector: collection.detectors.find(({ name }) => name === this.detectorName()) }))
      .filter(({ detector }) => detector);
  },

  listClusters() {
    const select = this.form.elements.cluster;
    const before = select.value;
    select.replaceChildren(new Option("all", ""));
    for (const { collection, detector } of this.sources()) {
      const group = firstsight.element("optgroup", { label: collection.name });
      for (const cluster of detector.clusters) {
        group.append(new Option(`${cluster.name} (${cluster.images.toLocaleString("en")})`, `${collection.place}/${cluster.number}`));
      }
      select.append(group);
    }
    select.value = before;
    if (select.selectedIndex < 0) select.value = "";
  },

  filter() {
    this.refresh();
    firstsight.address.gallery();
  },

  /* The filters that are not as they were at the beginning. */
  filters() {
    const first = (field) => (field.matches("select") ? field.options[0]?.value : "");
    const fields = [...this.form.elements].filter((field) => field.name && field.value !== first(field));
    return new URLSearchParams(fields.map(({ name, value }) => [name, value]));
  },

  /* Set the filters as an address has them. */
  async restore(filters) {
    for (const field of this.form.elements) if (field.name) field.value = field.matches("select") ? field.options[0].value : "";
    for (const name of ["collection", "detector"]) if (filters.has(name)) this.form.elements[name].value = filters.get(name);
    this.listClusters();
    for (const [name, value] of filters) if (name in this.form.elements) this.form.elements[name].value = value;
    firstsight.trial.follow();
    await firstsight.selection.follow();
    this.refresh();
  },

  /* Show one cluster ("<collection>/<number>") and nothing else. */
  showCluster(detector, cluster) {
    const { elements } = this.form;
    for (const name of ["from", "to", "text", "status", "note"]) elements[name].value = "";
    elements.order.value = "cluster";
    elements.collection.value = cluster.split("/")[0];
    elements.detector.value = detector;
    this.listClusters();
    elements.cluster.value = cluster;
    firstsight.selection.choose("", "");
    this.comeIntoView();
  },

  comeIntoView() {
    const gallery = document.getElementById("gallery");
    gallery.scrollIntoView();
    gallery.focus({ preventScroll: true });
  },

  /* The images that pass the filters, in order, as {id, row, source} and what they are sorted by. */
  matches() {
    const { elements } = this.form;
    const from = elements.from.value === "" ? -Infinity : Number(elements.from.value);
    const to = elements.to.value === "" ? Infinity : Number(elements.to.value);
    const text = elements.text.value.trim().toLowerCase();
    const wanted = elements.cluster.value;
    const status = elements.status.value;
    const note = elements.note.value;
    const { places: chosen } = firstsight.selection;
    const judged = new Set(firstsight.marks.said().map(firstsight.marks.image));
    const matches = [];
    for (const source of this.sources()) {
      const { collection, detector } = source;
      const { image, label, notes } = collection.columns;
      const ofStatus = {
        "": () => true,
        anomalous: (row) => firstsight.trial.anomalous(detector, row),
        normal: (row) => !firstsight.trial.anomalous(detector, row),
        judged: (row) => judged.has(firstsight.marks.image({ collection: collection.name, detector: detector.name, image: image[row] })),
        "not judged": (row) => !ofStatus.judged(row),
      };
      const medoids = new Set(detector.clusters.map(({ medoid }) => medoid));
      const ranks = new Map(detector.clusters.map(({ number }, place) => [number, place]));
      for (let row = 0; row < collection.rows; row += 1) {
        const score = detector.score[row];
        const cluster = detector.cluster[row];
        if (!(score >= from && score <= to)) continue;
        if (wanted !== "" && wanted !== `${collection.place}/${cluster}`) continue;
        if (text && !`${image[row]}\n${label[row] ?? ""}`.toLowerCase().includes(text)) continue;
        if (!ofStatus[status](row) || (note !== "" && !(notes[row] & (1 << note)))) continue;
        if (chosen && !chosen.has(collection.first + row)) continue;
        // Clusters in the order of the page, then the images that were not clustered.
        const rank = ranks.get(cluster) ?? Infinity;
        const distance = medoids.has(row) ? -1 : detector.distance[row];
        const id = collection.first + row;
        matches.push({ id, row, source, score, strength: this.strength(detector, row), likely: detector.p_value[row], place: collection.place, rank, distance: distance || 0, name: image[row] });
      }
    }
    // Images like one are in the order of their likeness.
    if (elements.like.value !== "" && chosen) return matches.sort((one, other) => chosen.get(one.id) - chosen.get(other.id));
    return matches.sort(this.orders[elements.order.value]);
  },

  /* How far an image stands out; what is anomalous only at the threshold that is tried comes after what was before. */
  strength(detector, row) {
    if (!firstsight.trial.anomalous(detector, row)) return 0;
    return detector.strength[row] || 0.5;
  },

  orders: {
    cluster: (one, other) =>
      one.place - other.place || (one.rank === other.rank ? 0 : one.rank - other.rank) || one.distance - other.distance || one.id - other.id,
    // Images without a region by how likely a normal image stands out as much, where that is known.
    worst: (one, other) => other.strength - one.strength || (one.likely - other.likely || 0) || other.score - one.score || one.id - other.id,
    highest: (one, other) => other.score - one.score || one.id - other.id,
    lowest: (one, other) => one.score - other.score || one.id - other.id,
    name: (one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : one.id - other.id),
  },

  /* What is laid out: headings of clusters, and cards. */
  layOut(matches) {
    const { elements } = this.form;
    if (elements.order.value !== "cluster" || elements.like.value !== "") return matches.map((match) => ({ match }));
    const groups = new Map();
    for (const match of matches) {
      const key = `${match.place}/${match.source.detector.cluster[match.row]}`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(match);
    }
    const one = elements.cluster.value !== "";
    return [...groups].flatMap(([key, members]) => {
      const shown = one ? members : members.slice(0, firstsight.front);
      return [{ heading: key, members, shown: shown.length }, ...shown.map((match) => ({ match }))];
    });
  },

  /* Compute the gallery again. While data still come in, what is shown stays where it is. */
  refresh(sameFilters = false) {
    const matches = this.matches();
    const items = this.layOut(matches);
    const key = (item) => item.heading ?? item.match.id;
    const kept = sameFilters && this.cards.children.length > 0
      && Array.from({ length: this.cards.children.length }, (_, index) => index)
        .every((index) => items[index] && key(items[index]) === key(this.items[index]));
    if (!sameFilters) this.shown = this.step;
    this.items = items;
    this.ids = matches.map(({ id }) => id);
    const reading = firstsight.read < firstsight.total ? `; reading, ${firstsight.read.toLocaleString("en")} so far` : "";
    const text = `${firstsight.plural(matches.length, "image")} of ${firstsight.total.toLocaleString("en")}${firstsight.trial.says()}${reading}`;
    if (this.count.textContent !== text) this.count.textContent = text;
    for (const watcher of this.watchers) watcher();
    if (kept) {
      for (const [index, item] of items.slice(0, this.cards.children.length).entries()) {
        if (item.heading) this.cards.children[index].replaceWith(this.heading(item));
      }
      this.append();
      return;
    }
    const focused = document.activeElement?.closest?.(".card")?.dataset.id;
    this.cards.replaceChildren();
    this.append();
    if (focused) this.cards.querySelector(`[data-id="${focused}"]`)?.focus();
  },

  /* Add the cards that are missing, up to the number shown. */
  append() {
    const start = this.cards.children.length;
    let cards = this.cards.querySelectorAll(".card").length;
    let index = start;
    const added = document.createDocumentFragment();
    while (index < this.items.length && cards < this.shown) {
      const item = this.items[index];
      added.append(item.heading ? this.heading(item) : this.card(item.match));
      cards += item.heading ? 0 : 1;
      index += 1;
    }
    this.cards.append(added);
    this.more.hidden = index >= this.items.length;
  },

  showMore() {
    const before = this.cards.children.length;
    this.shown += this.step;
    this.append();
    [...this.cards.children].slice(before).find((item) => item.querySelector(".card"))?.querySelector("button").focus();
  },

  heading({ heading, members, shown }) {
    const { collection, detector } = members[0].source;
    const number = Number(heading.split("/")[1]);
    const cluster = firstsight.cluster(detector, number);
    const { from, to, text, status, note } = this.form.elements;
    const whole = [from, to, status, note].every(({ value }) => value === "") && text.value.trim() === "" && !firstsight.selection.places;
    const count = whole && cluster ? cluster.images : members.length;
    const title = firstsight.element("h3", {},
      firstsight.element("span", { className: `dot ${firstsight.colour(number)}` }),
      firstsight.collections.length > 1 ? `${collection.name}: ` : "", cluster?.name ?? "not clustered");
    const item = firstsight.element("li", { className: "heading" }, title,
      firstsight.element("span", { className: "quiet" }, firstsight.plural(count, "image")));
    if (cluster && cluster.medoid !== null && collection.columns.image?.[cluster.medoid]) {
      item.append(firstsight.marks.nameField(firstsight.image(collection.first + cluster.medoid), detector, cluster.name));
    }
    if (shown < count && cluster && this.form.elements.cluster.value === "") {
      const all = firstsight.element("button", { type: "button" }, `all of ${cluster.name}`);
      all.dataset.all = heading;
      item.append(all);
    }
    return item;
  },

  card({ id, row, source }) {
    const { element, number, percent, plural } = firstsight;
    const { detector } = source;
    const image = firstsight.image(id);
    const regions = detector.regions[row];
    const cluster = firstsight.cluster(detector, detector.cluster[row]);
    const tried = firstsight.trial.differs(detector, row);
    const found = tried ? [regions > 0 ? "below what is tried" : "above what is tried"] : regions > 0 ? [plural(regions, "region"), percent(detector.area[row])] : ["no region"];
    const facts = [`score ${number(detector.score[row])}`, ...found].join(", ");
    const picture = element("img", { alt: `${image.name} with its anomaly map`, decoding: "async", width: 320, height: 320 });
    firstsight.showInView(picture, image, detector, tried ? "picture" : "thumbnail");
    const card = element("button", { type: "button", className: "card" },
      picture,
      element("span", { className: "name", dir: "auto" }, image.name),
      element("span", { className: "quiet" }, facts));
    if (image.label !== null) card.append(element("span", { className: "quiet", dir: "auto" }, `label ${image.label}`));
    const medoid = cluster?.medoid === row ? [element("span", { className: "medoid" }, "medoid")] : [];
    if (cluster && this.form.elements.order.value !== "cluster") {
      const dot = element("span", { className: `dot ${firstsight.colour(cluster.number)}` });
      card.append(element("span", { className: "quiet" }, dot, `${cluster.name} `, ...medoid));
    } else {
      card.append(...medoid);
    }
    card.dataset.id = id;
    return element("li", {}, card);
  },
};
