// Redraws the charts of a training from `state.json`, and opens the report once a new one is written.
(() => {
  "use strict";

  const SECONDS = 3;
  const figures = document.getElementById("figures");
  const line = document.getElementById("state");
  const link = document.getElementById("report");
  let shown = "";
  let report = null;

  const opened = () => [...figures.querySelectorAll("figure:has(details[open]) [data-chart]")].map((of) => of.dataset.chart);

  const show = async (state) => {
    const kept = opened();
    figures.innerHTML = state.figures;
    for (const name of kept) {
      figures.querySelector(`figure:has([data-chart="${CSS.escape(name)}"]) details`)?.setAttribute("open", "");
    }
    await window.drawCharts(state);
  };

  const refresh = async () => {
    try {
      const response = await fetch("state.json");
      const text = await response.text();
      const state = JSON.parse(text);
      line.textContent = state.line;
      link.hidden = !state.report;
      if (report !== null && state.report !== report) {
        location.href = "report.html";
        return;
      }
      report = state.report;
      if (text !== shown) {
        shown = text;
        await show(state);
      }
    } catch {
      line.textContent = "The server has ended: start `bigvocab report --follow` again.";
    }
    setTimeout(refresh, 1000 * SECONDS);
  };

  refresh();
})();
