// Stacked bars per bucket, with the previous period as a dashed line. Data is the JSON beside the figure;
// colors and fonts are the document's own tokens. The renderer is SVG; the tooltip is built from elements,
// because the Content-Security-Policy refuses style attributes in markup.

import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, LineChart, AriaComponent, GridComponent, TooltipComponent, SVGRenderer]);

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function short(value, measure) {
  if (measure === "cost") return money(value);
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${Number((value / size).toPrecision(3))}${letter}`;
  }
  return String(value);
}

function money(value) {
  const decimals = value === 0 || value >= 1 ? 2 : value >= 0.01 ? 3 : 6;
  return `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: decimals })}`;
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
  const box = document.createElement("div");
  box.className = "plot-tip";
  const whole = data.series.reduce((sum, series) => sum + series.values[at], 0);
  box.append(line(data.titles[at], short(whole, data.measure), "", "whole-line"));
  for (const series of [...data.series].reverse()) {
    if (series.values[at]) box.append(line(series.name, short(series.values[at], data.measure), series.color));
  }
  if (data.previous) box.append(line(`${data.previous_name}, ${data.previous_labels[at]}`, short(data.previous[at], data.measure), "", "before"));
  return box;
}

function place(point, _params, _box, _shape, size) {
  const [width] = size.contentSize;
  const right = point[0] + 24;
  if (right + width <= size.viewSize[0]) return [right, 0];
  return [Math.max(0, point[0] - 24 - width), 0];
}

function bars(data) {
  return data.series.map((series) => ({
    type: "bar",
    name: series.name,
    stack: "all",
    // No bar at all for nothing: its edge would cut the axis.
    data: series.values.map((value) => value || "-"),
    barWidth: "68%",
    barMinWidth: 2,
    emphasis: { disabled: true },
    itemStyle: { color: token(series.color.replace("c", "--chart-")), borderColor: token("--background"), borderWidth: 1 },
  }));
}

function before(data) {
  if (!data.previous) return [];
  return [{
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
  return {
    animation: false,
    aria: { enabled: true, label: { description: data.description } },
    grid: { left: 0, right: 0, top: 10, bottom: 6, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "shadow", z: 0, shadowStyle: { color: token("--muted") } },
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
      axisTick: { show: false },
      axisLine: { lineStyle: { color: token("--border") } },
      axisLabel: { ...words, margin: 8, hideOverlap: true, interval: (at) => at % data.label_every === 0 },
    },
    yAxis: {
      type: "value",
      min: 0,
      splitNumber: 3,
      minInterval: data.measure === "cost" ? undefined : 1,
      axisLabel: { ...words, formatter: (value) => short(value, data.measure) },
      splitLine: { lineStyle: { color: token("--line") } },
    },
    series: [...bars(data), ...before(data)],
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
