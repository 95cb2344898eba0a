"use strict";

/* Begin: the summary, then the parts of the page, then all images in the background. */

firstsight.load("summary").then(() => {
  firstsight.marks.start();
  firstsight.selection.start();
  firstsight.gallery.start();
  firstsight.viewer.start();
  firstsight.draw.start();
  firstsight.address.start();
  document.addEventListener("click", (event) => {
    const kind = event.target.closest("a.kind");
    if (!kind) return;
    event.preventDefault();
    firstsight.gallery.showCluster(kind.dataset.detector, kind.dataset.cluster);
  });
  return firstsight.loadAll().then(() => firstsight.draw.rest());
}).catch((error) => firstsight.complain(error));
