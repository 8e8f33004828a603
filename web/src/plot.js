// Lines over time with uPlot: dragging selects a range, the wheel zooms, Shift and dragging moves.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import {useEffect, useRef} from "preact/hooks";
import {html} from "./html.js";
import {number} from "./format.js";

const HEIGHT_PX = 340;
const ZOOM_STEP = 1.35;
const COLORS = ["--line1", "--line2", "--line3", "--line4", "--line5", "--line6"];

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @typedef {{label: string, points: import("./api.js").Datapoint[], steps?: boolean, dots?: boolean}} Line */

/** Columns for uPlot: one of times, and one of values for each line; undefined: the line has no datapoint at that
 * time, and goes on behind it. @param {Line[]} lines */
function columns(lines) {
  if (lines.length === 1)
    return [lines[0].points.map(({t}) => t), lines[0].points.map(({d}) => Number(d))];
  const tables = lines.map(({points}) => [points.map(({t}) => t), points.map(({d}) => Number(d))]);
  return uPlot.join(tables, tables.map(() => [0]));
}

/** Wheel and moving; each calls onRange with the new ends. */
function gestures(onRange) {
  return {hooks: {ready: (plot) => {
    const over = plot.over;
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      const {min, max} = plot.scales.x;
      const at = plot.posToVal(event.offsetX, "x"), factor = event.deltaY < 0 ? 1 / ZOOM_STEP : ZOOM_STEP;
      onRange(at - (at - min) * factor, at + (max - at) * factor);
    }, {passive: false});
    over.addEventListener("mousedown", (event) => {
      if (!event.shiftKey)
        return;
      event.stopImmediatePropagation();
      const start = event.clientX, {min, max} = plot.scales.x, perPixel = (max - min) / over.clientWidth;
      const move = ({clientX}) => plot.setScale("x",
        {min: min - (clientX - start) * perPixel, max: max - (clientX - start) * perPixel});
      const up = () => {
        document.removeEventListener("mousemove", move);
        document.removeEventListener("mouseup", up);
        onRange(plot.scales.x.min, plot.scales.x.max);
      };
      document.addEventListener("mousemove", move);
      document.addEventListener("mouseup", up);
    }, {capture: true});
  }}};
}

function options(lines, range, width, onRange, countOf) {
  const axis = {stroke: color("--muted"), grid: {stroke: color("--grid"), width: 1}, ticks: {stroke: color("--grid")}};
  return {
    width, height: HEIGHT_PX,
    cursor: {drag: {x: true, y: false, setScale: false}},
    scales: {x: {time: true, range: () => [range.t1, range.t2]},
      ...Object.fromEntries(lines.map((line, i) => [`y${i}`, line.steps ? {range: () => [-0.1, 1.1]} : {}]))},
    axes: [axis, ...lines.map((line, i) => ({...axis, scale: `y${i}`, side: i % 2 ? 1 : 3, size: 64,
      stroke: lines.length > 1 ? color(COLORS[i % COLORS.length]) : axis.stroke,
      grid: i === 0 ? axis.grid : {show: false},
      values: (_, ticks) => ticks.map((tick) => line.steps ? {0: "off", 1: "on"}[tick] ?? "" : number(tick))}))],
    series: [{}, ...lines.map((line, i) => ({
      label: line.label, scale: `y${i}`, stroke: color(COLORS[i % COLORS.length]), width: 1.5,
      spanGaps: lines.length > 1,
      paths: line.steps ? uPlot.paths.stepped({align: 1}) : undefined,
      points: {show: (plot) => countOf(i) < plot.width / 6, size: 5},
      value: (_, value) => value === null || value === undefined ? "–" : line.steps ? (value ? "on" : "off") : number(value),
    }))],
    hooks: {setSelect: [(plot) => {
      if (plot.select.width > 4)
        onRange(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"));
      plot.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
    }]},
    plugins: [gestures(onRange)],
  };
}

/** @param {{lines: Line[], range: {t1: number, t2: number}, label: string, onRange: (t1: number, t2: number) => void,
 * onWidth?: (width: number) => void}} props */
export function Plot({lines, range, label, onRange, onWidth}) {
  const place = useRef(null), plot = useRef(null), latest = useRef({});
  latest.current = {onRange, range, lines};
  const shape = lines.map(({label: name, steps}) => `${name} ${Boolean(steps)}`).join("\n");
  useEffect(() => {
    const make = () => {
      plot.current?.destroy();
      const width = place.current.clientWidth;
      onWidth?.(width);
      const live = {get t1() { return latest.current.range.t1; }, get t2() { return latest.current.range.t2; }};
      plot.current = new uPlot(options(lines, live, width, (...ends) => latest.current.onRange(...ends),
        (i) => latest.current.lines[i]?.points.length ?? 0),
        columns(lines), place.current);
    };
    make();
    const resized = new ResizeObserver(() => {
      const width = place.current.clientWidth;
      if (width > 0 && width !== plot.current.width) {
        plot.current.setSize({width, height: HEIGHT_PX});
        onWidth?.(width);
      }
    });
    resized.observe(place.current);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", make);
      plot.current.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData(columns(lines));
  }, [lines, range.t1, range.t2]);
  return html`<div class="plot" ref=${place} role="img" aria-label=${label}></div>`;
}
