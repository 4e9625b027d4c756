// One chart: stacked bars, lines, the period before as a dashed line. Data is the JSON beside the figure; colors
// and fonts are the document's own tokens. The renderer is SVG; the tooltip is built from elements, because the
// Content-Security-Policy refuses style attributes in markup.

import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, LineChart, AriaComponent, GridComponent, TooltipComponent, SVGRenderer]);

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const color = (name) => token(name === "warned" ? "--warn-fill" : name === "bad" ? "--danger-fill" : name.replace("c", "--chart-"));

function count(value) {
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${Number((value / size).toPrecision(3))}${letter}`;
  }
  return String(Number(value.toPrecision(3)));
}

function money(value) {
  const decimals = value === 0 || value >= 1 ? 2 : value >= 0.01 ? 3 : 6;
  return `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: decimals })}`;
}

const units = {
  count,
  usd: money,
  ms: (value) => (value === 0 ? "0" : value >= 1000 ? `${Number((value / 1000).toPrecision(3))} s` : `${Math.round(value)} ms`),
  rate: (value) => `${Number(value.toPrecision(3))}/s`,
  percent: (value) => `${Number(value.toPrecision(3))}%`,
};

/** Where an axis of shares ends: a few errors do not fill it, nothing is above 100, and else at a round number. */
function shareMax(extent) {
  if (extent.max <= 2) return 2;
  return extent.max > 80 ? 100 : null;
}

function line(name, value, swatch, extra = "") {
  const row = document.createElement("div");
  row.className = extra;
  if (swatch) {
    const square = document.createElement("span");
    square.className = `swatch ${swatch}`;
    row.append(square);
  }
  for (const text of [name, value]) {
    const cell = document.createElement("span");
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

function tip(data, at) {
  const say = units[data.unit];
  const box = document.createElement("div");
  box.className = "plot-tip";
  const bars = data.series.filter((series) => series.form === "bar");
  const whole = bars.reduce((sum, series) => sum + series.values[at], 0);
  box.append(line(data.titles[at], bars.length && data.unit !== "percent" ? say(whole) : "", "", "whole-line"));
  for (const series of [...data.series].reverse()) {
    if (series.values[at]) box.append(line(series.name, say(series.values[at]), series.color));
  }
  if (data.previous?.[at] !== undefined) {
    box.append(line(`${data.previous_name}, ${data.previous_labels[at]}`, say(data.previous[at]), "", "before"));
  }
  return box;
}

function place(point, _params, _box, _shape, size) {
  const [width] = size.contentSize;
  const right = point[0] + 24;
  if (right + width <= size.viewSize[0]) return [right, 0];
  return [Math.max(0, point[0] - 24 - width), 0];
}

function bar(series) {
  return {
    type: "bar",
    stack: "all",
    // No bar at all for nothing: its edge would cut the axis.
    data: series.values.map((value) => value || "-"),
    barWidth: "68%",
    barMinWidth: 2,
    itemStyle: { color: color(series.color), borderColor: token("--background"), borderWidth: 1 },
  };
}

function stroke(series) {
  const dashed = series.form !== "line";
  return {
    type: "line",
    data: series.values.map((value) => value ?? "-"),
    // A value between two that are missing is a point: a line alone would not show it.
    symbol: series.form === "line" ? "circle" : "none",
    symbolSize: 3,
    showSymbol: series.form === "line",
    showAllSymbol: true,
    connectNulls: false,
    itemStyle: { color: color(series.color) },
    lineStyle: { color: color(series.color), width: series.form === "level" ? 1.25 : 2, type: dashed ? [4, 3] : "solid" },
    z: 4,
  };
}

function drawn(data) {
  const all = data.series.map((series) => ({
    name: series.name, emphasis: { disabled: true }, ...(series.form === "bar" ? bar(series) : stroke(series)),
  }));
  if (!data.previous) return all;
  return [...all, {
    type: "line",
    name: data.previous_name,
    data: data.previous,
    symbol: "none",
    emphasis: { disabled: true },
    lineStyle: { color: token("--muted-foreground"), width: 1.25, type: [4, 3] },
    z: 5,
  }];
}

function picture(data) {
  const words = { color: token("--faint"), fontFamily: token("--font-sans"), fontSize: 11 };
  const hasBars = data.series.some((series) => series.form === "bar");
  const shadow = { type: "shadow", z: 0, shadowStyle: { color: token("--muted") } };
  const hair = { type: "line", z: 0, lineStyle: { color: token("--input"), width: 1, type: "solid" } };
  return {
    animation: false,
    aria: { enabled: true, label: { description: data.description } },
    grid: { left: 0, right: hasBars ? 0 : 6, top: 10, bottom: 6, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: {
      trigger: "axis",
      axisPointer: hasBars ? shadow : hair,
      formatter: (points) => tip(data, points[0].dataIndex),
      position: place,
      transitionDuration: 0,
      backgroundColor: token("--popover"),
      borderWidth: 0,
      padding: [10, 12],
      textStyle: { color: token("--foreground") },
      extraCssText: `box-shadow: ${token("--float")}; border-radius: 10px;`,
    },
    xAxis: {
      type: "category",
      data: data.labels,
      boundaryGap: hasBars,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: token("--border") } },
      z: 3, // Above the bars, whose edges would cut it.
      axisLabel: { ...words, margin: 8, hideOverlap: true, interval: (at) => at % data.label_every === 0 },
    },
    yAxis: {
      type: "value",
      min: 0,
      max: data.unit === "percent" ? shareMax : undefined,
      splitNumber: 3,
      minInterval: data.unit === "count" ? 1 : undefined,
      axisLabel: { ...words, formatter: (value) => units[data.unit](value) },
      splitLine: { lineStyle: { color: token("--line") } },
    },
    series: drawn(data),
  };
}

/** Draw the figure and keep it right when its box or the color scheme changes. */
export function draw(figure) {
  const data = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
  const chart = init(figure.querySelector("[data-canvas]"), null, { renderer: "svg" });
  chart.setOption(picture(data));
  new ResizeObserver(() => chart.resize()).observe(figure);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.setOption(picture(data), true));
}
