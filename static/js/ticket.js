// The quote's life: count down, then close the Confirm button until there is a fresh quote.

let timer = 0;

function tick(quote, endsAt) {
  const left = Math.ceil((endsAt - performance.now()) / 1000);
  const life = document.querySelector("[data-life]");
  const confirm = quote.querySelector("[data-confirm-button]");
  if (left > 0) {
    if (life) {
      life.textContent = `quote lives ${left} s`;
      life.classList.toggle("ending", left <= 5);
    }
    return;
  }
  window.clearInterval(timer);
  quote.classList.add("is-stale");
  if (confirm) confirm.disabled = true;
  if (life) {
    life.textContent = "quote has expired";
    life.classList.add("ending");
  }
  const expired = quote.querySelector("[data-expired]");
  if (expired) expired.hidden = false;
}

function watch() {
  window.clearInterval(timer);
  const quote = document.querySelector("[data-quote-seconds]");
  const life = document.querySelector("[data-life]");
  if (!quote) {
    if (life) life.textContent = "";
    return;
  }
  const endsAt = performance.now() + Number(quote.dataset.quoteSeconds) * 1000;
  tick(quote, endsAt);
  timer = window.setInterval(() => tick(quote, endsAt), 250);
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "quote") watch();
});

// A changed form makes the shown quote the answer to another question.
document.addEventListener("input", (event) => {
  if (!event.target.closest("#ticket-form")) return;
  const quote = document.querySelector("[data-quote-seconds]");
  if (!quote) return;
  quote.classList.add("is-stale");
  const confirm = quote.querySelector("[data-confirm-button]");
  if (confirm) confirm.disabled = true;
});

document.addEventListener("click", (event) => {
  const quick = event.target.closest("[data-amount]");
  if (!quick) return;
  const field = document.getElementById("amount");
  field.value = quick.dataset.amount;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

document.addEventListener("htmx:responseError", (event) => failed(event.detail.xhr.status));
document.addEventListener("htmx:sendError", () => failed(0));
document.addEventListener("htmx:timeout", () => failed(0));

function failed(status) {
  const place = document.getElementById("quote");
  if (!place) return;
  const note = document.createElement("p");
  note.className = "note bad";
  note.setAttribute("role", "alert");
  note.textContent = status
    ? `The server answered ${status} and gave no quote. Nothing was bought. Change the amount or reload the page.`
    : "The server did not answer. Nothing was bought. Check the connection and ask again.";
  place.replaceChildren(note);
}

watch();
