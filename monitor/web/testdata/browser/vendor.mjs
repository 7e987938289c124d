// vendor.mjs copies the scripts that the pages load from node_modules to static/vendor, or with --check says whether
// they are the same. Run it after a change of package.json: npm ci && node vendor.mjs
import { readFileSync, writeFileSync } from "node:fs";

const at = (path) => new URL(path, import.meta.url);
const version = (name) => JSON.parse(readFileSync(at(`node_modules/${name}/package.json`), "utf8")).version;
const files = {
  "idiomorph.js": ["idiomorph", "dist/idiomorph.min.js"],
  "uplot.js": ["uplot", "dist/uPlot.iife.min.js"],
  "uplot.css": ["uplot", "dist/uPlot.min.css"],
};

let wrong = 0;
for (const [name, [pkg, path]] of Object.entries(files)) {
  const licence = readFileSync(at(`node_modules/${pkg}/LICENSE`), "utf8").trim().replaceAll("*/", "* /");
  const text = `/*! ${pkg} ${version(pkg)}\n${licence}\n*/\n${readFileSync(at(`node_modules/${pkg}/${path}`), "utf8").trim()}\n`;
  const target = at(`../../static/vendor/${name}`);
  if (!process.argv.includes("--check")) {
    writeFileSync(target, text);
  } else if (readFileSync(target, "utf8") !== text) {
    console.error(`static/vendor/${name} is not what ${pkg} ${version(pkg)} has: run node vendor.mjs`);
    wrong = 1;
  }
}
process.exit(wrong);
