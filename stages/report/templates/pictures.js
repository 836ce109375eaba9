// Shows what a list names: the cell beside the others, another chart or matrix. Without scripts all charts and matrices stand below one another.
(() => {
  for (const list of document.querySelectorAll("select[data-picks]")) {
    const parts = document.querySelectorAll(`[data-pick="${list.dataset.picks}"]`);
    const show = () => parts.forEach((part) => part.toggleAttribute("hidden", part.dataset.value !== list.value));
    list.addEventListener("change", show);
    show();
  }
})();
