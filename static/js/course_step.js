// A step in front of a person: tells the server that it is, and moves the interactive pictures.

const BEATS_AT_FIRST = 3;

function beat() {
  const checks = document.querySelector("#step-checks[data-beat]");
  if (checks && document.visibilityState === "visible") {
    checks.dispatchEvent(new CustomEvent("lesson-beat"));
  }
}

function keepBeating() {
  const seconds = Number(document.querySelector("#step-checks")?.dataset.beat);
  if (!seconds) {
    return;
  }
  // Soon after opening: who reads fast need not wait for a whole interval.
  for (let count = 1; count <= BEATS_AT_FIRST; count += 1) {
    setTimeout(beat, (count * seconds * 1000) / BEATS_AT_FIRST);
  }
  setInterval(beat, seconds * 1000);
  document.addEventListener("visibilitychange", beat);
}

function showRank(widget) {
  const slider = widget.querySelector("input[type=range]");
  const size = Number(widget.dataset.size);
  const rank = Number(slider.value);
  const count = 2 * size * rank;
  const format = new Intl.NumberFormat(document.documentElement.lang);
  widget.querySelector("[data-rank]").textContent = format.format(rank);
  widget.querySelector("[data-count]").textContent = format.format(count);
  widget.querySelector("[data-share]").textContent = format.format(
    Math.round((1000 * count) / (size * size)) / 10,
  );
  // The drawing's thin sides grow with the square root, so that small ranks can be told apart.
  const thickness = Math.max(3, 14 * Math.sqrt(rank));
  widget.querySelector("[data-down]").setAttribute("height", thickness);
  widget.querySelector("[data-up]").setAttribute("width", thickness);
}

for (const widget of document.querySelectorAll("[data-widget=rank]")) {
  widget.querySelector("input[type=range]").addEventListener("input", () => showRank(widget));
  showRank(widget);
}

function showOverfit(widget) {
  const epochs = Number(widget.querySelector("input[type=range]").value);
  const best = Number(widget.dataset.best);
  const language = document.documentElement.lang;
  const whole = new Intl.NumberFormat(language);
  const exact = new Intl.NumberFormat(language, {
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
  });
  widget.querySelector("[data-epochs]").textContent = whole.format(epochs);
  for (const curve of widget.querySelectorAll("[data-curve]")) {
    const name = curve.dataset.curve;
    curve.dataset.points ??= curve.getAttribute("points");
    const count = epochs + 1 - Number(curve.dataset.first);
    const points = curve.dataset.points.split(" ").slice(0, count);
    const [x, y] = points.at(-1).split(",");
    const loss = Number(curve.dataset.losses.split(" ")[count - 1]);
    curve.setAttribute("points", points.join(" "));
    const end = widget.querySelector(`[data-end=${name}]`);
    end.setAttribute("cx", x);
    end.setAttribute("cy", y);
    widget.querySelector(`[data-loss=${name}]`).textContent = exact.format(loss);
  }
  const when = epochs < best ? "before" : epochs === best ? "best" : "after";
  for (const sentence of widget.querySelectorAll("[data-when]")) {
    sentence.hidden = sentence.dataset.when !== when;
  }
}

for (const widget of document.querySelectorAll("[data-widget=overfit]")) {
  widget.querySelector("input[type=range]").addEventListener("input", () => showOverfit(widget));
  showOverfit(widget);
}

function rateAt(step, steps, warmSteps, schedule) {
  // As engine/training/schedule.py has it, for a full rate of 1.
  if (step <= warmSteps) {
    return step / warmSteps;
  }
  const share = (step - 1 - warmSteps) / (steps - warmSteps);
  const factors = { constant: 1, linear: 1 - share, cosine: (1 + Math.cos(Math.PI * share)) / 2 };
  return factors[schedule];
}

function pointOf(rate, index) {
  return `${(53.1 + 9.1 * index).toFixed(1)},${(190 - 160 * rate).toFixed(1)}`;
}

function showSchedule(widget) {
  const steps = Number(widget.dataset.steps);
  const warmUp = Number(widget.querySelector("input[type=range]").value);
  const warmSteps = Math.min(Math.round((steps * warmUp) / 100), steps - 1);
  const chosen = widget.querySelector("input[type=radio]:checked").value;
  const format = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
  for (const curve of widget.querySelectorAll("[data-curve]")) {
    const schedule = curve.dataset.curve;
    const rates = Array.from({ length: steps }, (_, index) =>
      rateAt(index + 1, steps, warmSteps, schedule),
    );
    const points = rates.map(pointOf).join(" ");
    curve.setAttribute("points", points);
    curve.classList.toggle("figure__curve--other", schedule !== chosen);
    if (schedule !== chosen) {
      continue;
    }
    // Drawn last, it lies above the others.
    curve.parentNode.append(curve);
    widget.querySelector("[data-area]").setAttribute("points", `53.1,190 ${points} 408,190`);
    const way = rates.reduce((sum, rate) => sum + rate, 0) / steps;
    widget.querySelector("[data-last]").textContent = format.format(100 * rates.at(-1));
    widget.querySelector("[data-way]").textContent = format.format(Math.round(100 * way));
  }
  widget.querySelector("[data-warm-up]").textContent = format.format(warmUp);
  widget.querySelector("[data-warm-steps]").textContent = format.format(warmSteps);
}

for (const widget of document.querySelectorAll("[data-widget=schedule]")) {
  widget.addEventListener("input", () => showSchedule(widget));
  showSchedule(widget);
}

keepBeating();
