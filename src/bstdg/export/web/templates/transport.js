"use strict";
/* Play, pause, step and speed: where in a race we are. Calls `show` with each moment {step, phase}. */
bstdg.transport = (numSteps, { play, back, next, slider, speed }, show) => {
  const STEP = Math.max(120, Math.min(1100, 10000 / numSteps)); // ms a step at speed 1
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let moment = { step: 0, phase: 1 }, goal = 0, clock = null;
  slider.max = String(numSteps - 1);

  function go(to) {
    moment = to;
    slider.value = String(to.step);
    slider.setAttribute("aria-valuetext", `step ${to.step} of ${numSteps}`);
    back.disabled = to.step === 0;
    next.disabled = to.step === numSteps - 1;
    show(to);
  }

  function tick(time) {
    if (clock === null) return;
    const phase = moment.phase + ((time - clock) * Number(speed.value)) / STEP;
    clock = time;
    if (phase < 1) go({ step: moment.step, phase });
    else if (moment.step < goal) go({ step: moment.step + 1, phase: 0 });
    else return pause({ step: moment.step, phase: 1 });
    requestAnimationFrame(tick);
  }

  function label() {
    play.textContent = clock === null ? "Play" : "Pause";
  }
  function pause(at = moment) {
    clock = null;
    label();
    go(at);
  }
  function resume() {
    const over = moment.step >= goal && moment.phase === 1;
    clock = performance.now();
    label();
    go(over ? { step: 0, phase: 0 } : moment.phase === 1 ? { step: moment.step + 1, phase: 0 } : moment);
    requestAnimationFrame(tick);
  }
  /** Runs a new race up to `step`; where motion is not wanted, shows that step at once. */
  function race(step, animate = true) {
    goal = step;
    if (calm.matches || !animate) return pause({ step, phase: 1 });
    clock = null;
    moment = { step, phase: 1 };
    resume();
  }

  play.addEventListener("click", () => (clock === null ? resume() : pause()));
  back.addEventListener("click", () => pause({ step: Math.max(0, moment.step - (moment.phase === 1 ? 1 : 0)), phase: 1 }));
  next.addEventListener("click", () => pause({ step: Math.min(numSteps - 1, moment.step + (moment.phase === 1 ? 1 : 0)), phase: 1 }));
  slider.addEventListener("input", () => pause({ step: Number(slider.value), phase: 1 }));
  calm.addEventListener("change", () => clock !== null && pause({ step: goal, phase: 1 }));
  return { race, pause, moment: () => moment };
};
