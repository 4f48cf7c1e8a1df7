// Reads Markdown on stdin, parses each Mermaid block in it, and prints what its gantt chart holds: one JSON array, with an
// array of tasks for each block. The modules mermaid and jsdom are those of the directory ROLLBOOK_BROWSER_MODULES.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.ROLLBOOK_BROWSER_MODULES;
const { JSDOM } = createRequire(join(modules, "anchor.js"))("jsdom");
const { window } = new JSDOM("<!doctype html><body></body>");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import(
  pathToFileURL(join(modules, "mermaid/dist/mermaid.core.mjs")).href
);

const markdown = readFileSync(0, "utf8");
const blocks = [...markdown.matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
const charts = [];
for (const block of blocks) {
  await mermaid.parse(block);
  const diagram = await mermaid.mermaidAPI.getDiagramFromText(block);
  charts.push(
    diagram.db.getTasks().map(({ section, task, startTime, endTime, crit, milestone }) => ({
      section,
      task,
      from: startTime.getTime(),
      until: endTime.getTime(),
      crit: Boolean(crit),
      milestone: Boolean(milestone),
    })),
  );
}
console.log(JSON.stringify(charts));
