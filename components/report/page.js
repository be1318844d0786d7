// Draws the charts of the report. The page sets `data-charts` of the root element when all charts are drawn.
(() => {
  "use strict";

  const options = (config) => ({
    config,
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true, // Interprets expressions: the policy of the page forbids code from strings.
    tooltip: { theme: "custom", maxDepth: 1 },
  });

  const draw = async (place, specification, config) => {
    try {
      await vegaEmbed(place, specification, options(config));
      place.dataset.drawn = "true";
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}. The table below has its data.`;
      console.error(error);
    }
  };

  const drawAll = async ({ config, charts }) => {
    const places = [...document.querySelectorAll("[data-chart]")];
    await Promise.all(places.map((place) => draw(place, charts[place.dataset.chart], config)));
    document.documentElement.dataset.charts = "drawn";
  };

  window.drawCharts = drawAll;
  const charts = document.getElementById("charts");
  if (charts) drawAll(JSON.parse(charts.textContent));
})();
