// Opens pages in Chromium as readers do, and fails where one could not read them.
//
//   node check.mjs [--shots DIR] FILE [--text TEXT]… [FILE [--text TEXT]…]…
//
// Each file, .html or .svg, is opened light and dark, 1280 and 390 pixels wide, and printed. Checked: no console error
// or warning; no request for anything but the file; each TEXT stands in it; lanes of a picture (`.rb-lane`) do not lie
// on each other, and neither do marks and labels of one; a page needs no sideways scrolling at 390 pixels; the contrast
// of each text with what lies behind it (WCAG 2.2, 1.4.3); the PDF has pages. CHROMIUM names the browser,
// ROLLBOOK_BROWSER_MODULES the node_modules directory.

import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.ROLLBOOK_BROWSER_MODULES ?? join(import.meta.dirname, "node_modules");
const { chromium } = createRequire(join(resolve(modules), "x.js"))("playwright-core");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

const WIDTHS = [1280, 390];
const SCHEMES = ["light", "dark"];

function parse(argv) {
  const files = [];
  let shots = null;
  for (let at = 0; at < argv.length; at += 1) {
    if (argv[at] === "--shots") shots = argv[++at];
    else if (argv[at] === "--text") files.at(-1).texts.push(argv[++at]);
    else files.push({ path: resolve(argv[at]), texts: [] });
  }
  if (files.length === 0) throw new Error("no file to check");
  for (const { path } of files) if (!existsSync(path)) throw new Error(`${path} does not exist`);
  if (shots) mkdirSync(shots, { recursive: true });
  return { files, shots };
}

// Runs in the page: which boxes lie on each other that must not.
function overlaps() {
  const found = [];
  const box = (element) => element.getBoundingClientRect();
  const told = (element) => (element.dataset?.lane ?? element.textContent.trim()).slice(0, 60);
  const touch = (a, b, slack) => {
    const [p, q] = [box(a), box(b)];
    return Math.min(p.right, q.right) - Math.max(p.left, q.left) > slack
      && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > slack;
  };
  const pairs = (elements, what, slack) => {
    elements.forEach((a, at) => elements.slice(at + 1).forEach((b) => {
      if (!a.contains(b) && !b.contains(a) && touch(a, b, slack)) found.push(`${what}: "${told(a)}" and "${told(b)}"`);
    }));
  };
  for (const picture of document.querySelectorAll("svg.rb-picture")) {
    const lanes = [...picture.querySelectorAll(".rb-lane")];
    pairs(lanes, "lanes", 0.6);
    for (const lane of lanes) {
      // A line box is higher than its letters: three pixels are no overlap that a reader sees.
      pairs([...lane.querySelectorAll(".rb-mark, .rb-label")], `in lane ${told(lane)}`, 3);
      pairs([...lane.querySelectorAll(".rb-bar")], `bars of lane ${told(lane)}`, 0.6);
    }
    pairs([...picture.querySelectorAll(".rb-axis .rb-label")], "axis", 3);
    pairs([...picture.querySelectorAll(".rb-legend")], "legend", 1);
    const frame = box(picture);
    for (const label of picture.querySelectorAll("text")) {
      const { left, right } = box(label);
      if (left < frame.left - 1 || right > frame.right + 1) found.push(`outside the picture: "${told(label)}"`);
    }
    for (const bar of picture.querySelectorAll(".rb-serves")) {
      const [text, path] = [bar.querySelector("text"), bar.querySelector("path")];
      if (text && (box(text).right > box(path).right + 1)) found.push(`wider than its bar: "${told(text)}"`);
    }
  }
  return { found, lanes: document.querySelectorAll(".rb-lane").length };
}

// Runs in the page: texts that are hard to read against what lies behind them.
function faint() {
  const canvas = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const colours = new Map();
  const rgba = (text) => {
    if (!colours.has(text)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = "rgba(0,0,0,0)";
      context.fillStyle = text;
      context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      colours.set(text, [r, g, b, a / 255]);
    }
    return colours.get(text);
  };
  const over = (top, below) => top.slice(0, 3).map((part, at) => part * top[3] + below[at] * (1 - top[3])).concat(1);
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isShape = (element) => element instanceof SVGGeometryElement;
  const layer = (element) => {
    const style = getComputedStyle(element);
    if (!isShape(element)) return element instanceof SVGElement ? null : rgba(style.backgroundColor);
    // A line has no inside, though it has a fill.
    if (element instanceof SVGLineElement || style.fill === "none" || style.fill.startsWith("url")) return null;
    const [r, g, b, a] = rgba(style.fill);
    return [r, g, b, a * Number(style.fillOpacity) * Number(style.opacity)];
  };
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const canvasColour = document.contentType === "image/svg+xml" ? [255, 255, 255, 1]
    : isDark && getComputedStyle(document.documentElement).colorScheme.includes("dark") ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const found = [];
  let checked = 0;
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("title, desc, style, script, head, option, noscript")) continue;
    const style = getComputedStyle(element);
    const range = document.createRange();
    range.selectNodeContents(node);
    let rect = [...range.getClientRects()].find((one) => one.width > 1 && one.height > 1);
    if (!rect || style.visibility === "hidden") continue;
    if (rect.right < 0 && element.closest(".skip, thead")) continue;
    element.scrollIntoView({ block: "center", inline: "center" });
    rect = [...range.getClientRects()].find((one) => one.width > 1 && one.height > 1);
    const [x, y] = [rect.left + Math.min(rect.width / 2, 40), rect.top + rect.height / 2];
    const stack = document.elementsFromPoint(x, y);
    const from = stack.indexOf(element.closest("text") && !stack.includes(element) ? element.closest("text") : element);
    if (from < 0) continue;
    let colour = canvasColour;
    for (const below of stack.slice(from).reverse()) {
      const top = layer(below);
      if (top && below !== element.closest("text")) colour = over(top, colour);
    }
    const ink = over(rgba(element instanceof SVGElement ? style.fill : style.color), colour);
    const [bright, dark] = [luminance(ink), luminance(colour)].sort((a, b) => b - a);
    const contrast = (bright + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    checked += 1;
    if (contrast < (isLarge ? 3 : 4.5)) found.push(`${contrast.toFixed(2)}: "${node.data.trim().slice(0, 50)}"`);
  }
  scrollTo(0, 0);
  return { found, checked };
}

async function look(browser, file, scheme, width, shots) {
  const problems = [];
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 }, serviceWorkers: "block" });
  const page = await context.newPage();
  const url = pathToFileURL(file.path).href;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`script: ${error}`));
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== url) problems.push(`asks for ${request.url().slice(0, 200)}`);
  });
  await page.goto(url, { waitUntil: "load" });
  const text = await page.evaluate(() => document.documentElement.textContent);
  for (const expected of file.texts) if (!text.includes(expected)) problems.push(`does not say "${expected}"`);
  const isHtml = file.path.endsWith(".html");
  // Opened, so that what they hold is looked at too; the first hundred tell.
  await page.evaluate(() => [...document.querySelectorAll("details")].slice(0, 100).forEach((one) => { one.open = true; }));
  if (isHtml) {
    const wide = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    if (wide[0] > wide[1]) problems.push(`scrolls sideways: ${wide[0]} pixels in ${wide[1]}`);
  }
  const { found, lanes } = await page.evaluate(overlaps);
  problems.push(...found.slice(0, 20).map((one) => `overlap: ${one}`));
  const contrast = await page.evaluate(faint);
  if (contrast.checked === 0) problems.push("no text was seen");
  problems.push(...contrast.found.slice(0, 20).map((one) => `contrast ${one}`));
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = false; }));
  const name = basename(file.path).replace(/\W/g, "-");
  if (shots) await page.screenshot({ path: join(shots, `${name}-${scheme}-${width}.png`), fullPage: isHtml });
  if (isHtml && scheme === "light" && width === WIDTHS[0]) {
    const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: true, ...(shots ? { path: join(shots, `${name}.pdf`) } : {}) });
    if (!/\/Type\s*\/Page\b/.test(pdf.toString("latin1")) || pdf.length < 5000) problems.push("prints to no page");
  }
  await context.close();
  return { problems: problems.map((one) => `${basename(file.path)}, ${scheme}, ${width}: ${one}`), lanes, texts: contrast.checked };
}

const { files, shots } = parse(process.argv.slice(2));
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const problems = [];
try {
  for (const file of files) {
    for (const scheme of SCHEMES) {
      for (const width of WIDTHS) {
        const seen = await look(browser, file, scheme, width, shots);
        problems.push(...seen.problems);
        console.log(`${basename(file.path)} ${scheme} ${width}: ${seen.lanes} lanes, ${seen.texts} texts, ${seen.problems.length} problems`);
      }
    }
    if (readFileSync(file.path).includes(0)) problems.push(`${file.path} holds a zero byte`);
  }
} finally {
  await browser.close();
}
problems.forEach((problem) => console.error(problem));
process.exitCode = problems.length === 0 ? 0 : 1;
