// What a page of numbers may do without a library: read-outs by mouse and keyboard, a language that is
// remembered, and nothing folded away on paper. Without this script all of it can still be read.
(() => {
  "use strict";
  const KEY = "orderjam-language";
  const box = document.getElementById("zh");
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true"); // whoever listens hears the label of the mark itself
  document.body.append(tip);

  // A page opened from a file may be refused a memory.
  const remembered = (value) => {
    try {
      if (value !== undefined) localStorage.setItem(KEY, value);
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };

  const textOf = (mark) => (box.checked && mark.dataset.rZh) || mark.dataset.r;

  const label = (mark) => {
    if (mark.matches("a, button, summary, input")) return; // has a name of its own
    const said = mark instanceof SVGElement ? textOf(mark) : `${mark.textContent.trim()}: ${textOf(mark)}`;
    mark.setAttribute("aria-label", said);
  };

  const speak = () => {
    document.documentElement.lang = box.checked ? "zh" : "en";
    document.querySelectorAll("[data-r]").forEach(label);
    hide();
    measure();
  };

  // Read-outs.
  let shown = null;
  const hide = () => {
    shown = null;
    tip.classList.remove("on");
  };
  const show = (mark, x, y) => {
    if (shown !== mark) {
      shown = mark;
      tip.textContent = textOf(mark);
      tip.classList.add("on");
    }
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(Math.max(x + 14, 6), document.documentElement.clientWidth - width - 6);
    const top = y + 18 + height > innerHeight ? y - height - 10 : y + 18;
    tip.style.transform = `translate(${Math.max(left, 6)}px, ${Math.max(top, 6)}px)`;
  };
  const marked = (event) => (event.target instanceof Element ? event.target.closest("[data-r]") : null);
  document.addEventListener("pointermove", (event) => {
    const mark = marked(event);
    if (mark) show(mark, event.clientX, event.clientY);
    else if (shown && shown !== document.activeElement) hide();
  });
  document.addEventListener("focusin", (event) => {
    const mark = marked(event);
    if (!mark || !mark.matches(":focus-visible")) return hide();
    const at = mark.getBoundingClientRect();
    show(mark, at.left + Math.min(at.width, 40), at.bottom - 8);
  });
  document.addEventListener("focusout", hide);
  addEventListener("scroll", () => shown && shown !== document.activeElement && hide(), { passive: true });

  // One stop of the Tab key for each figure or table; arrow keys go from mark to mark.
  const GROUPS = ".drawn, table, .tiles";
  const marksOf = (group) => [...group.querySelectorAll("[data-r]")].filter((m) => !m.matches("a, button, summary, input"));
  for (const group of document.querySelectorAll(GROUPS)) {
    const marks = marksOf(group);
    if (!marks.length) continue;
    const svg = group.querySelector("svg[role=img]");
    if (svg) svg.setAttribute("role", "group"); // a picture with parts that can be asked
    marks.forEach((mark, i) => {
      if (!mark.hasAttribute("role")) mark.setAttribute("role", mark instanceof SVGElement ? "img" : "note");
      mark.setAttribute("tabindex", i ? "-1" : "0");
    });
  }
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -1e9, End: 1e9 };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const mark = marked(event);
    const step = STEPS[event.key];
    if (!mark || !step || event.target !== mark || event.altKey || event.ctrlKey || event.metaKey) return;
    const group = mark.closest(GROUPS);
    const marks = group ? marksOf(group) : [];
    const here = marks.indexOf(mark);
    if (here < 0) return;
    event.preventDefault();
    const next = marks[Math.min(Math.max(here + step, 0), marks.length - 1)];
    mark.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });

  // A table is a stop of the Tab key only where it has to be scrolled.
  const measure = () => {
    for (const wide of document.querySelectorAll(".wide")) {
      if (wide.scrollWidth > wide.clientWidth + 1) wide.setAttribute("tabindex", "0");
      else wide.removeAttribute("tabindex");
    }
  };
  addEventListener("resize", measure);

  // Paper cannot be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((one) => (one.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((one) => (one.open = false)));

  // The chapter that is read, in the list of chapters.
  const links = new Map([...document.querySelectorAll(".toc a")].map((a) => [a.hash.slice(1), a]));
  const watch = new IntersectionObserver(
    (seen) => {
      for (const one of seen) links.get(one.target.id)?.classList.toggle("here", one.isIntersecting);
    },
    { rootMargin: "-30% 0px -65% 0px" },
  );
  document.querySelectorAll(".chapter").forEach((chapter) => watch.observe(chapter));

  box.addEventListener("change", speak);
  box.addEventListener("input", () => remembered(box.checked ? "zh" : "en"));
  box.checked = (remembered() ?? (navigator.language.startsWith("zh") ? "zh" : "en")) === "zh";
  box.dispatchEvent(new Event("change")); // the list of orders listens too
})();
