"use strict";

/* A threshold to try: counts, outlines and gallery follow it at once, and the line for the config is there to copy.
   Only one is tried at a time. It stands in the gallery's form as <collection>/<detector>/<value>. */

firstsight.trial = {
  detector: null,
  value: null,
  watchers: [],

  /* Whether an image is anomalous, at the threshold that is tried or as the run decided. */
  anomalous(detector, row) {
    if (detector !== this.detector) return detector.regions[row] > 0;
    return detector.rate === null ? detector.peak[row] > this.value : detector.p_value[row] < this.value;
  },

  /* Whether a region, with its highest score, is one at the threshold that is tried. */
  holds(detector, row, { score_max: score }) {
    return this.anomalous(detector, row) && (detector !== this.detector || detector.rate !== null || score > this.value);
  },

  /* Whether what an image is called differs from what the run decided. */
  differs(detector, row) {
    return this.anomalous(detector, row) !== detector.regions[row] > 0;
  },

  set(collection, detector, value) {
    const { field } = this;
    Object.assign(this, { detector: value === null ? null : detector, value });
    field.value = value === null ? "" : `${collection.name}/${detector.name}/${value}`;
    for (const watcher of this.watchers) watcher();
    firstsight.gallery.filter();
  },

  /* What is tried, in words; empty where nothing is. */
  says() {
    const { detector, value } = this;
    if (!detector) return "";
    return `; trying ${detector.rate === null ? firstsight.number(value) : this.percent(value)} (${this.field.value.split("/")[0]}, ${detector.name})`;
  },

  percent(rate) {
    return `${Number((100 * rate).toPrecision(2))}\u00a0%`;
  },

  get field() {
    return firstsight.gallery.form.elements.tried;
  },

  /* Try what the form says, as it was set from the address. */
  follow() {
    const [collectionName, detectorName, value] = this.field.value.split("/");
    const collection = firstsight.collections.find(({ name }) => name === collectionName);
    const detector = collection?.detectors.find(({ name }) => name === detectorName);
    Object.assign(this, detector && Number(value) ? { detector, value: Number(value) } : { detector: null, value: null });
    for (const watcher of this.watchers) watcher();
  },

  /* The handle of a detector, below its histogram: a rate of false alarms, or a score from the threshold upwards. */
  control(detector, collection) {
    const { element, number, plural } = firstsight;
    const ofRate = detector.rate !== null;
    const highest = detector.peak.reduce((most, peak) => Math.max(most, peak || -Infinity), -Infinity);
    if (!ofRate && (detector.limit === null || !(highest > detector.limit))) return null;
    const span = ofRate ? [Math.log10(0.001), Math.log10(0.5)] : [detector.limit, highest];
    const [handle, says, line, copy, back] = [
      element("input", { type: "range", min: 0, max: 100, step: 1 }), element("output"),
      element("textarea", { rows: 2, readOnly: true, spellcheck: false, ariaLabel: "line for the config" }),
      element("button", { type: "button" }, "copy"), element("button", { type: "button" }, "back"),
    ];
    const at = (position) => {
      const value = span[0] + ((span[1] - span[0]) * position) / 100;
      return Number((ofRate ? 10 ** value : value).toPrecision(ofRate ? 2 : 4));
    };
    const positionOf = (value) => (100 * ((ofRate ? Math.log10(value) : value) - span[0])) / (span[1] - span[0]);
    const show = () => {
      const tried = this.detector === detector;
      const value = tried ? this.value : ofRate ? detector.rate : detector.limit;
      const rows = [...detector.score.keys()].filter((row) => !Number.isNaN(detector.score[row]));
      const count = (test) => rows.filter(test).length;
      const now = count((row) => detector.regions[row] > 0);
      const words = ofRate ? this.percent(value) : number(value);
      handle.value = positionOf(value);
      handle.ariaValueText = words;
      says.textContent = `${words}: ${count((row) => this.anomalous(detector, row)).toLocaleString("en")} of ${plural(rows.length, "image")} anomalous${tried ? `, ${now.toLocaleString("en")} as the run was` : ""}`;
      line.value = ofRate ? `threshold: {method: false_alarm_rate, rate: ${value}}` : `threshold: {method: fixed, value: ${value}}`;
      for (const part of [line, copy, back]) part.hidden = !tried;
    };
    handle.addEventListener("input", () => this.set(collection, detector, at(Number(handle.value))));
    copy.addEventListener("click", () => {
      line.select();
      document.execCommand("copy");
      copy.textContent = "copied";
    });
    back.addEventListener("click", () => { this.set(collection, detector, null); handle.focus(); });
    this.watchers.push(show);
    firstsight.listeners.push(show);
    show();
    return element("div", { className: "trial" },
      element("label", {}, ofRate ? "try another rate of false alarms" : "try a higher threshold", handle), says, line, copy, back);
  },
};
