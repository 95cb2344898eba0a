"use strict";

/* A pane of the viewer: one image as one detector sees it. Picture, map and contours lie over one another and are zoomed as one. */

firstsight.Pane = class {
  static least = 1024;

  constructor(view) {
    const { element } = firstsight;
    this.view = view;
    this.picture = element("img", { className: "pane-picture", draggable: false });
    this.map = element("img", { className: "pane-map", alt: "", draggable: false });
    this.lines = element("img", { className: "pane-lines", alt: "", draggable: false });
    this.stage = element("div", { className: "stage" }, this.picture, this.map, this.lines);
    this.frame = element("div", { className: "picture", tabIndex: 0, role: "group" }, this.stage);
    this.caption = element("figcaption", { className: "quiet", dir: "auto" });
    this.figure = element("figure", { className: "pane" }, this.frame, this.caption);
    this.pointers = new Map();
    this.frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.view.zoomBy(2 ** (-event.deltaY / 300), ...this.at(event));
    }, { passive: false });
    this.frame.addEventListener("dblclick", (event) => this.view.zoomBy(this.view.scale > 1 ? 0 : 4, ...this.at(event)));
    this.frame.addEventListener("pointerdown", (event) => {
      this.pointers.set(event.pointerId, event);
      if (this.view.scale > 1 || this.pointers.size > 1) this.frame.setPointerCapture(event.pointerId);
    });
    this.frame.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      this.frame.addEventListener(end, ({ pointerId }) => this.pointers.delete(pointerId));
    }
  }

  /* Where in the frame a pointer is: two shares. */
  at({ clientX, clientY }) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  }

  /* One pointer moves the picture, two zoom it. */
  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const [x, y] = this.at(event);
    const [fromX, fromY] = this.at(before);
    const other = [...this.pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    if (other) {
      const [otherX, otherY] = this.at(other);
      this.view.zoomBy(Math.hypot(x - otherX, y - otherY) / (Math.hypot(fromX - otherX, fromY - otherY) || 1), (x + otherX) / 2, (y + otherY) / 2);
    } else {
      this.view.moveBy(fromX - x, fromY - y);
    }
    this.pointers.set(event.pointerId, event);
  }

  /* Show an image with the map of a detector and the regions that it found there. */
  show(image, detector, regions, named) {
    const words = `${image.name} with its anomaly map, ${detector.name}`;
    this.image = image;
    // At a threshold that is tried, an image that falls below it has neither map nor contours.
    this.calm = firstsight.trial.differs(detector, image.row);
    firstsight.show(this.picture, image, detector, "picture");
    delete this.picture.dataset.original;
    this.picture.alt = words;
    firstsight.show(this.map, image, detector, "overlay");
    firstsight.show(this.lines, image, detector, "lines");
    this.frame.ariaLabel = `${words}; plus and minus zoom, arrows move`;
    this.caption.textContent = named ? detector.name : "";
    const shape = (width, height) => { this.frame.style.aspectRatio = `${width} / ${height}`; };
    // A strip is drawn in pieces, and has another shape than its image.
    if (image.pieces === 1) shape(image.width, image.height);
    else this.picture.onload = () => shape(this.picture.naturalWidth, this.picture.naturalHeight);
    this.stage.querySelector("svg")?.remove();
    if (image.pieces === 1) this.stage.append(this.outlines(regions));
    this.draw();
  }

  outlines(regions) {
    const { svg } = firstsight.draw;
    const { width, height } = this.image;
    const size = Math.max(width, height) / 32;
    const shapes = regions.map((region, index) => {
      const shape = svg("g", { "data-region": index },
        svg("rect", { x: region.x, y: region.y, width: region.width, height: region.height }),
        svg("text", { x: region.x + size / 4, y: Math.max(region.y - size / 4, size), "font-size": size }, String(index + 1)));
      return shape;
    });
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...shapes);
  }

  draw() {
    const { opacity, lines, boxes, scale, x, y } = this.view;
    this.map.style.opacity = this.calm ? 0 : opacity;
    this.lines.hidden = !lines || this.calm;
    this.stage.classList.toggle("boxes", boxes);
    this.frame.classList.toggle("zoomed", scale > 1);
    this.stage.style.transform = `translate(${100 * (0.5 - scale * x)}%, ${100 * (0.5 - scale * y)}%) scale(${scale})`;
    // Zoomed in, the file itself shows more than the drawing, where the browser can read it.
    const { image } = this;
    const finer = scale > 1 && image.native && image.pieces === 1 && Math.max(image.width, image.height) > this.constructor.least;
    if (finer && this.picture.dataset.original !== image.original) {
      const file = new Image();
      file.onload = () => {
        if (this.image !== image) return;
        this.picture.wanted = null;
        this.picture.src = image.original;
      };
      file.src = image.original;
      this.picture.dataset.original = image.original;
    }
  }
};
