// The review desk by keys: one case at a time; a decision is sent while the next case is read already.

const desk = document.getElementById("desk");
const list = document.getElementById("cases");
const said = document.getElementById("desk-said");
const count = document.getElementById("desk-count");
const token = document.querySelector("#desk-undo input[name=csrfmiddlewaretoken]").value;
const FEW = 8;

let place = 0;
let decided = 0;
let asking = false;
let isOver = false;
// One after the other, so that an undo follows what it takes back.
let sending = Promise.resolve();

const all = () => [...list.querySelectorAll(".case")];
const open = () => all().filter((one) => !one.dataset.done);
const current = () => open()[place];

function say(text, isWrong = false) {
  said.textContent = text;
  said.classList.toggle("wrong", isWrong);
}

function show() {
  const cases = open();
  place = Math.max(0, Math.min(place, cases.length - 1));
  for (const one of all()) one.hidden = one !== cases[place];
  document.getElementById("desk-empty").hidden = cases.length > 0;
  if (cases[place]) cases[place].focus();
  if (cases.length - place <= FEW) more();
}

async function more() {
  if (asking || isOver) return;
  asking = true;
  try {
    const shown = open().map((one) => one.dataset.case).concat(pending());
    const answer = await fetch(`${desk.dataset.more}&without=${shown.join(",")}`);
    if (!answer.ok) throw new Error(`The desk answered ${answer.status}; reload the page.`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const known = new Set(all().filter((one) => !one.dataset.done || one.dataset.waits).map((one) => one.dataset.case));
    const fresh = [...page.querySelectorAll(".case")].filter((one) => !known.has(one.dataset.case));
    isOver = fresh.length === 0;
    const wasEmpty = open().length === 0;
    for (const one of fresh) {
      one.hidden = true;
      list.append(one);
    }
    if (wasEmpty && fresh.length) show();
  } catch (error) {
    say(error.message, true);
  } finally {
    asking = false;
  }
}

const pending = () => all().filter((one) => one.dataset.waits).map((one) => one.dataset.case);

function post(address, values) {
  const body = new URLSearchParams(values);
  const headers = { "X-CSRFToken": token, Accept: "application/json" };
  return fetch(address, { method: "POST", body, headers, redirect: "error" }).then(async (answer) => {
    const isJson = (answer.headers.get("Content-Type") || "").includes("json");
    const heard = isJson ? await answer.json() : { detail: `The desk answered ${answer.status}; reload the page.` };
    if (!answer.ok) throw new Error(heard.detail);
    return heard;
  });
}

function decide(one, choice, values = {}) {
  const form = one.querySelector("form");
  const given = { choice, ...values };
  // A desk whose every choice needs the whole form says so.
  if (form.dataset.whole) Object.assign(given, Object.fromEntries(new FormData(form)), { choice });
  if (form.elements.event && form.elements.event.checked) given.event = "1";
  one.dataset.done = "1";
  one.dataset.waits = "1";
  show();
  sending = sending.then(async () => {
    try {
      const heard = await post(form.action, given);
      decided += heard.decided.length;
      count.textContent = `${decided} decided here`;
      say(heard.said);
      // The rest of an event needs no look any more.
      for (const pk of heard.decided) {
        const other = list.querySelector(`[data-case="${pk}"]`);
        if (other) other.dataset.done = "1";
      }
    } catch (error) {
      delete one.dataset.done;
      say(`${error.message} The case is back.`, true);
    } finally {
      delete one.dataset.waits;
    }
    if (!current() || current().hidden) show();
  });
}

function undo() {
  sending = sending.then(async () => {
    try {
      const heard = await post(desk.dataset.undo, {});
      decided = Math.max(0, decided - heard.decided.length);
      count.textContent = `${decided} decided here`;
      say(heard.said);
      for (const pk of heard.decided) {
        const other = list.querySelector(`[data-case="${pk}"]`);
        if (!other) continue;
        delete other.dataset.done;
        other.querySelector("form").reset();
        list.insertBefore(other, current() || null);
      }
      isOver = false;
      show();
    } catch (error) {
      say(error.message, true);
    }
  });
}

// A button may name its key itself; these are the label desk's, and those that move about.
const keys = {
  c: (one) => one.querySelector("button[value=confirm]") && decide(one, "confirm"),
  2: (one) => one.querySelector("button[value=second]") && decide(one, "second"),
  x: (one) => one.querySelector("button[value=none]") && decide(one, "none"),
  "+": (one) => decide(one, "correct", { direction: "1" }),
  "=": (one) => decide(one, "correct", { direction: "1" }),
  0: (one) => decide(one, "correct", { direction: "0" }),
  "-": (one) => decide(one, "correct", { direction: "-1" }),
  f: (one) => one.querySelector("input[name=factor]").focus(),
  e: (one) => {
    const box = one.querySelector("input[name=event]");
    if (!box.disabled) box.checked = !box.checked;
    box.parentElement.classList.toggle("on", box.checked);
    say(box.disabled ? "It has no undecided siblings." : box.checked ? "Its event too." : "This market only.");
  },
  s: () => { place += 1; show(); },
  b: () => { place -= 1; show(); },
  d: (one) => { const box = one.querySelector("details"); box.open = !box.open; },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (event.key === "Escape" && isTyping && current()) current().focus();
  if (isTyping) return;
  if (event.key === "u") {
    event.preventDefault();
    undo();
    return;
  }
  const one = current();
  const button = one && one.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  const act = button ? () => decide(one, button.value) : keys[event.key];
  if (!act || !one || (one.querySelector("[data-whole]") && !button && !["s", "b"].includes(event.key))) return;
  event.preventDefault();
  act(one);
});

list.addEventListener("submit", (event) => {
  const one = event.target.closest(".case");
  event.preventDefault();
  const form = event.target;
  // Enter in the factor's field corrects; without a button named, the form would send its first.
  const isField = document.activeElement && document.activeElement.name === "factor";
  const choice = isField ? "correct" : event.submitter ? event.submitter.value : "correct";
  const values = choice === "correct" ? { factor: form.elements.factor.value, direction: form.elements.direction.value } : {};
  decide(one, choice, values);
});

document.getElementById("desk-undo").addEventListener("submit", (event) => {
  event.preventDefault();
  undo();
});

show();
