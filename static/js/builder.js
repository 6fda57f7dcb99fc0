// Weights that always sum to 100: move one, and the unlocked others give or take in proportion.

const UNITS = 1000; // A tenth of a percent is the smallest step.

function legsOf(form) {
  return [...form.querySelectorAll("[data-leg]")].map((row) => ({
    number: row.querySelector("[data-weight]"),
    slider: row.querySelector("[data-slider]"),
    lock: row.querySelector("[data-lock]"),
  }));
}

function read(leg) {
  const value = Math.round(Number(leg.number.value) * 10);
  return Number.isFinite(value) ? Math.min(Math.max(value, 0), UNITS) : 0;
}

function write(leg, units) {
  const text = (units / 10).toFixed(1);
  leg.number.value = text;
  if (leg.slider) leg.slider.value = text;
}

function rebalance(legs, moved, form) {
  const fixed = legs.filter((leg) => leg !== moved && leg.lock?.checked);
  const free = legs.filter((leg) => leg !== moved && !leg.lock?.checked);
  const room = UNITS - fixed.reduce((sum, leg) => sum + read(leg), 0);
  // The moved leg cannot take what the locked ones hold, nor leave the free ones without a tenth each.
  const most = Math.max(room - free.length, 0);
  const mine = free.length ? Math.min(Math.max(read(moved), 1), most) : room;
  write(moved, mine);
  const rest = room - mine;
  const weights = free.map(read);
  const total = weights.reduce((sum, units) => sum + units, 0);
  let given = 0;
  free.forEach((leg, place) => {
    const share = total ? Math.floor((rest * weights[place]) / total) : Math.floor(rest / free.length);
    const units = place === free.length - 1 ? rest - given : Math.min(Math.max(share, 1), rest - given - (free.length - 1 - place));
    given += units;
    write(leg, units);
  });
  const sum = form.querySelector("[data-sum]");
  if (sum) sum.textContent = "100.0%";
}

document.addEventListener("input", (event) => {
  const row = event.target.closest("[data-leg]");
  if (!row || !event.target.matches("[data-slider]")) return;
  row.querySelector("[data-weight]").value = Number(event.target.value).toFixed(1);
  move(row);
});

document.addEventListener("change", (event) => {
  const row = event.target.closest("[data-leg]");
  if (row && event.target.matches("[data-weight]")) move(row);
}, true);

function move(row) {
  const form = row.closest("form");
  const legs = legsOf(form);
  const number = row.querySelector("[data-weight]");
  const leg = legs.find((each) => each.number === number);
  if (leg) rebalance(legs, leg, form);
}
