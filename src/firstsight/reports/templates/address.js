"use strict";

/* The address of the page holds what is looked at, so that reload, back and a link that is passed on work:
   #<collection>/<detector>/<image>, with ?beside=<detector> where another is shown beside, or #gallery?<filters>. */

firstsight.address = {
  start() {
    window.addEventListener("hashchange", () => this.follow());
    this.follow();
  },

  follow() {
    const address = location.hash.slice(1);
    const { dialog } = firstsight.viewer;
    if (address.includes("/")) {
      if (!dialog.open || address !== this.ofImage()) this.open(address).catch((error) => firstsight.complain(error));
      return;
    }
    if (dialog.open) dialog.close();
    if (address.startsWith("gallery?")) firstsight.gallery.restore(new URLSearchParams(address.slice("gallery?".length)));
  },

  /* Open the image of an address, as soon as it has been read; where there is none, the page stays as it is. */
  async open(address) {
    const [place, beside = ""] = address.split("?beside=");
    const [collectionName, detector, ...parts] = place.split("/").map(this.decoded);
    const name = parts.join("/");
    const collection = firstsight.collections.find((each) => each.name === collectionName);
    if (!collection) return;
    const row = await firstsight.find(collection, name);
    if (row >= 0) await firstsight.viewer.open(collection.first + row, detector, firstsight.gallery.ids, this.decoded(beside));
  },

  decoded(part) {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  },

  ofImage() {
    const { image } = firstsight.viewer;
    const parts = [image.collection.name, firstsight.viewer.detector().name, ...image.name.split("/")];
    const beside = firstsight.viewer.parts.beside.value;
    return parts.map(encodeURIComponent).join("/") + (beside ? `?beside=${encodeURIComponent(beside)}` : "");
  },

  /* The viewer shows another image. The first one is a step of its own, to which "back" is the way out. */
  image() {
    const address = `#${this.ofImage()}`;
    if (address === location.hash) return;
    if (firstsight.viewer.dialog.open) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  },

  /* The viewer was closed, or the filters are others. */
  gallery() {
    if (firstsight.viewer.dialog.open) return;
    const filters = firstsight.gallery.filters().toString();
    history.replaceState(null, "", filters ? `#gallery?${filters}` : "#gallery");
  },
};
