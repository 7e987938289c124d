// What the browser tests share: a browser that writes down all that must not happen, and a line to the Go test that
// runs them. A line on standard output is a request, and the answer comes on standard input.
import { createInterface } from "node:readline";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// ask has the Go test do something and waits until it is done.
export async function ask(what) {
  console.log(`ask ${what}`);
  const { value } = await lines.next();
  if (value !== "done") throw new Error(`${what}: ${value}`);
}

export function check(what, good, detail = "") {
  if (!good) throw new Error(`${what} ${detail}`);
}

export class Browser {
  // wrong is all that a page must not do.
  wrong = [];

  static async start(base, shots) {
    const it = new Browser();
    it.base = base;
    it.shots = shots;
    mkdirSync(shots, { recursive: true });
    it.chromium = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    return it;
  }

  // page opens a page in a browser of its own, watched for errors and for requests to anybody else.
  async page(options = {}) {
    const context = await this.chromium.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    if (options.javaScriptEnabled !== false) await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: this.base });
    const page = await context.newPage();
    page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !this.expected?.test(m.text())) this.wrong.push(`${page.url()}: console: ${m.text()}`); });
    page.on("pageerror", (e) => this.wrong.push(`${page.url()}: ${e.message}`));
    page.on("dialog", (d) => { this.wrong.push(`${page.url()}: a dialog: ${d.message()}`); d.dismiss(); });
    page.on("request", (r) => { if (!r.url().startsWith(this.base)) this.wrong.push(`${page.url()}: asks ${r.url()}`); });
    return page;
  }

  // look shows a page as wide, dark and on a phone, and looks for what does not fit and what cannot be used by everybody.
  async look(path, name, ready = async () => {}) {
    const forms = [
      ["wide", { viewport: { width: 1280, height: 900 } }],
      ["dark", { viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
      ["phone", { viewport: { width: 360, height: 740 } }],
    ];
    for (const [form, options] of forms) {
      const page = await this.page(options);
      await page.goto(this.base + path, { waitUntil: "load" });
      await ready(page);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wider > 0) this.wrong.push(`${path} is ${wider} px wider than the ${form} screen`);
      if (form !== "phone") await this.accessible(page, `${path} (${form})`);
      await page.screenshot({ path: `${this.shots}/${name}-${form}.png`, fullPage: true });
      await page.context().close();
    }
  }

  // accessible has axe look at the page as it is.
  async accessible(page, what) {
    const found = await page.evaluate(`(() => { const module = undefined, exports = undefined; ${axe}; return axe.run(document, { resultTypes: ["violations"] }); })()`);
    for (const v of found.violations) this.wrong.push(`${what}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(", ")}`);
  }

  // witness keeps what can be seen when a test fails.
  async witness() {
    for (const [i, page] of this.chromium.contexts().flatMap((c) => c.pages()).entries()) {
      await page.screenshot({ path: `${this.shots}/failed-${i}.png`, fullPage: true });
      for (const text of await page.getByRole("alert").allTextContents()) this.wrong.push(`${page.url()} says ${text}`);
    }
  }

  async end() {
    await this.chromium.close();
    for (const w of this.wrong) console.error(`wrong: ${w}`);
    process.exit(this.wrong.length > 0 ? 1 : 0);
  }
}

// run runs a test and says what failed.
export async function run(test) {
  const [base, shots] = process.argv.slice(2);
  const browser = await Browser.start(base, shots);
  try {
    await test(browser);
  } catch (e) {
    browser.wrong.push(`${e.stack}`);
    await browser.witness();
  }
  await browser.end();
}
