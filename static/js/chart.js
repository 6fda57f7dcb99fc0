// One chart: gauge in cents on the left, level on the right; gaps stay gaps, changes are marked.

const holder = document.querySelector("[data-chart]");
if (holder) start(holder);

function token(name) {
  const probe = document.createElement("i");
  probe.className = `probe-${name}`;
  holder.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

// "24 Oct" by the day, "14:30" within one, the year where it turns.
function dates(u, ticks, place, space, step) {
  let day = "";
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    const date = at.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    if (step >= 86400) return date;
    const time = at.toISOString().slice(11, 16);
    const label = date === day ? time : `${time}\n${date}`;
    day = date;
    return label;
  });
}

function axis(side, scale, values, colour, line) {
  return { side, scale, values, stroke: colour, font: "11px system-ui, sans-serif", size: side === 2 ? 40 : 48,
    grid: { stroke: line, width: 1, show: side !== 1 }, ticks: { show: false } };
}

function start(place) {
  const note = place.querySelector("[data-chart-note]");
  const legend = document.querySelector("[data-chart-legend]");
  const buttons = [...document.querySelectorAll("[data-span]")];
  let plot = null;
  let shown = null;

  function marks(changes, colour) {
    return {
      hooks: {
        draw: [(u) => {
          u.ctx.save();
          u.ctx.strokeStyle = colour;
          u.ctx.fillStyle = colour;
          u.ctx.lineWidth = devicePixelRatio;
          u.ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
          u.ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
          let last = -Infinity;
          for (const change of changes) {
            const x = u.valToPos(change.at, "x", true);
            if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
            u.ctx.beginPath();
            u.ctx.moveTo(x, u.bbox.top);
            u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
            u.ctx.stroke();
            if (x - last > 32 * devicePixelRatio) {
              u.ctx.fillText(`v${change.version}`, x + 4 * devicePixelRatio, u.bbox.top + 10 * devicePixelRatio);
              last = x;
            }
          }
          u.ctx.restore();
        }],
      },
    };
  }

  function say(u) {
    if (!legend) return;
    const i = u.cursor.idx;
    const texts = legend.querySelectorAll("[data-value]");
    const when = legend.querySelector("[data-when]");
    u.series.slice(1).forEach((series, n) => {
      const value = i == null ? lastOf(u.data[n + 1]) : u.data[n + 1][i];
      if (texts[n]) texts[n].textContent = value == null ? "–" : series.scale === "gauge" ? `${value.toFixed(1)}¢` : value.toFixed(2);
    });
    if (when) {
      const at = i == null ? u.data[0][u.data[0].length - 1] : u.data[0][i];
      const change = shown.changes.filter((one) => i != null && Math.abs(u.valToPos(one.at, "x") - u.cursor.left) < 6).pop();
      when.textContent = `${new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC${change ? ` · v${change.version}: ${change.reason}` : ""}`;
    }
  }

  // Decimals travel as strings; a picture needs no more than floats.
  function numbers(body) {
    const column = (values) => values.map((value) => (value === null ? null : Number(value)));
    return { ...body, gauge: column(body.gauge), level: body.level && column(body.level) };
  }

  function lastOf(values) {
    for (let i = values.length - 1; i >= 0; i -= 1) if (values[i] != null) return values[i];
    return null;
  }

  function draw() {
    if (plot) plot.destroy();
    plot = null;
    if (!shown.at.length) {
      note.textContent = "No prices in this range yet.";
      note.hidden = false;
      return;
    }
    note.hidden = true;
    const accent = token("accent");
    const muted = token("muted");
    const line = token("line");
    const second = token("warn");
    const columns = [shown.at, shown.gauge];
    const series = [{}, { label: "Gauge", scale: "gauge", stroke: accent, width: 2, spanGaps: false, points: { show: shown.at.length < 3 } }];
    const axes = [axis(2, "x", dates, muted, line), axis(3, "gauge", (u, ticks) => ticks.map((v) => `${v}¢`), muted, line)];
    if (shown.level) {
      columns.push(shown.level);
      series.push({ label: "Level", scale: "level", stroke: second, width: 1.5, dash: [5, 4], spanGaps: false, points: { show: shown.at.length < 3 } });
      axes.push(axis(1, "level", (u, ticks) => ticks.map((v) => String(v)), muted, line));
    }
    plot = new uPlot({
      width: place.clientWidth - padding(), height: place.dataset.chart === "short" ? 220 : 268, padding: [12, shown.level ? 0 : 8, 0, 0],
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      cursor: { y: false, points: { size: 7 } }, legend: { show: false }, select: { show: false },
      scales: { x: { time: true } }, series, axes, plugins: [marks(shown.changes, muted)],
      hooks: { setCursor: [say], ready: [say] },
    }, columns, place);
  }

  function padding() {
    const style = getComputedStyle(place);
    return parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
  }

  async function load(span) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.span === span));
    note.hidden = false;
    note.textContent = "Loading prices…";
    try {
      const answer = await fetch(`${place.dataset.url}?span=${encodeURIComponent(span)}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      shown = numbers(await answer.json());
      draw();
    } catch (error) {
      note.hidden = false;
      note.textContent = `The prices could not be loaded (${error.message}). The table beneath holds them; try again in a moment.`;
    }
  }

  for (const button of buttons) {
    button.addEventListener("click", () => load(button.dataset.span));
  }
  document.addEventListener("ito:theme", () => shown && draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown && draw());
  new ResizeObserver(() => {
    if (plot) plot.setSize({ width: place.clientWidth - padding(), height: plot.height });
  }).observe(place);
  load(place.dataset.first || "1m");
}
