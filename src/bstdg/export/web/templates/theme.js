"use strict";
/* Light and dark: as the system says until the button says otherwise. Canvases ask for their colours here. */
bstdg.theme = (button, changed) => {
  const dark = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
  let chosen = null, palette = null;

  const channelsOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  function colors() {
    if (palette) return palette;
    const style = getComputedStyle(root), of = (name) => style.getPropertyValue(`--${name}`).trim();
    const early = channelsOf(of("early")), late = channelsOf(of("late"));
    const shade = (x) => `rgb(${early.map((value, i) => Math.round(value + (late[i] - value) * x)).join(" ")})`;
    const names = ["ink", "quiet", "cell", "track", "lit", "rule"];
    palette = { ...Object.fromEntries(names.map((name) => [name, of(name)])), glow: of("lit-soft"), shade };
    return palette;
  }

  function apply() {
    const isDark = chosen ?? dark.matches;
    root.dataset.theme = isDark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(isDark));
    palette = null;
    changed();
  }
  button.addEventListener("click", () => {
    chosen = !(chosen ?? dark.matches);
    apply();
  });
  dark.addEventListener("change", apply);
  return { colors, apply };
};
