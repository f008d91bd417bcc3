// Looks at every page of the web face in a real browser: what stands there,
// light and dark, a desk's and a phone's width, by keyboard alone, without a
// request to elsewhere, and without an accessibility violation (axe-core,
// WCAG 2.2 A and AA). Prints a line a check, then how many passed.
//
//   node check.mjs URL CHROMIUM SCREENSHOT-FOLDER
import { AxeBuilder } from "@axe-core/playwright";
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";

const [url, program, folder] = process.argv.slice(2);
const pages = [
  ["overview", "/", "main dl.figures, main svg.tc"],
  ["policies", "/policies", "main table"],
  ["policy", "/cluster-policies/everything", "main table"],
  ["workload", "/workloads/shop/Deployment/api", "main dl.facts"],
  ["nodes", "/nodes", "main table"],
  ["regions", "/regions", "main table"],
  ["study", "/study", "main img.picture"],
  ["missing", "/policies/shop/none", "main [role=status][lang=en]"],
];
const sizes = { desk: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } };
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
let passed = 0, failed = 0;

function check(name, isTrue, more = "") {
  isTrue ? passed++ : failed++;
  if (!isTrue) console.log(`FAILED  ${name}${more ? `: ${more}` : ""}`);
}

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: program,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
let violations = 0;
for (const [size, viewport] of Object.entries(sizes)) for (const scheme of ["light", "dark"]) for (const locale of ["en-US", "ko-KR"]) {
  const context = await browser.newContext({ viewport, colorScheme: scheme, locale, reducedMotion: "reduce" });
  // Looked at for longer than a minute, a page would load anew in the middle.
  await context.addInitScript(() => localStorage.setItem("reload", "off"));
  const page = await context.newPage();
  const foreign = [], complaints = [];
  page.on("request", (request) => { if (!request.url().startsWith(url)) foreign.push(request.url()); });
  page.on("console", (message) => { if (message.type() === "error" && !message.text().includes("404")) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  for (const [name, path, needed] of pages) {
    const what = `${name} ${size} ${scheme} ${locale}`;
    await page.goto(new URL(path, url).href, { waitUntil: "load" });
    for (const selector of needed.split(", ")) check(`${what} has ${selector}`, await page.locator(selector).count() > 0);
    const lang = await page.locator("html").getAttribute("lang");
    check(`${what} speaks ${locale}`, locale.startsWith(lang), lang);
    if (name === "overview") {
      const unknown = await page.locator('tr:has(a[href*="/sleeper"]) td.n').allTextContents();
      check(`${what} has no zero where nothing is known`, unknown.length === 4 && unknown.every((text) => text === "-"), unknown.join(" "));
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(`${what} scrolls down only`, wide <= 0, `${wide} px too wide`);
    const found = await new AxeBuilder({ page }).withTags(tags).analyze();
    violations += found.violations.length;
    check(`${what} is accessible`, found.violations.length === 0,
      found.violations.map((one) => `${one.id} (${one.nodes.map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).join("; ")})`).join(", "));
    await page.screenshot({ path: `${folder}/${name}-${size}-${scheme}-${locale}.png`, fullPage: true });
  }
  check(`${size} ${scheme} ${locale} asks nobody else`, foreign.length === 0, foreign.join(", "));
  check(`${size} ${scheme} ${locale} has no complaint`, complaints.length === 0, complaints.join(", "));
  await context.close();
}

// By keyboard alone: the skip link first, then the menu, then a workload.
const context = await browser.newContext({ viewport: sizes.desk, locale: "en-US" });
const page = await context.newPage();
await page.goto(url);
await page.keyboard.press("Tab");
check("the first key leads to the skip link", await page.evaluate(() => document.activeElement.className) === "skip");
await page.keyboard.press("Enter");
check("the skip link leads to the content", await page.evaluate(() => document.activeElement.id) === "main");
let reached = false;
for (let count = 0; count < 60 && !reached; count++) {
  await page.keyboard.press("Tab");
  reached = await page.evaluate(() => document.activeElement.getAttribute("href")?.startsWith("/workloads/") ?? false);
}
check("a workload is reached by keys", reached);
await page.keyboard.press("Enter");
await page.waitForURL("**/workloads/**");
check("a workload opens by keys", (await page.locator("h1").textContent()).length > 0);

// The choice of light or dark is kept, and works in either direction.
await page.goto(url);
const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const before = await colour();
await page.locator("#theme").click();
const after = await colour();
check("the theme changes", before !== after, `${before} ${after}`);
await page.reload();
check("the theme is kept", await colour() === after);

// A fresh page whose clock runs fast: it loads anew by itself, unless that is switched off.
const watched = await browser.newContext({ locale: "en-US" });
const wall = await watched.newPage();
await wall.clock.install();
await wall.goto(url);
const mark = () => wall.evaluate(() => { window.isOld = true; });
const isOld = () => wall.evaluate(() => window.isOld === true);
await mark();
const anew = wall.waitForEvent("load");
await wall.clock.fastForward(70000);
await anew;
check("the page loads anew by itself", !await isOld());
await wall.locator("#reload").click();
check("that can be switched off", await wall.locator("#reload").getAttribute("aria-pressed") === "false");
await mark();
await wall.clock.fastForward(300000);
check("and stays so", await isOld());
await watched.close();

// Without a script everything is still there.
const plain = await browser.newContext({ javaScriptEnabled: false, locale: "en-US" });
const still = await plain.newPage();
await still.goto(url);
check("nothing needs the script", await still.locator("main svg.tc").count() > 0 && await still.locator("#theme").isHidden());

// Text of 200 % and the spacing of WCAG 1.4.12 lose nothing.
await page.setViewportSize({ width: 640, height: 900 });
await page.addStyleTag({ content: "" }).catch(() => {});
await page.evaluate(() => { document.documentElement.style.fontSize = "200%"; });
const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
check("text of 200 % scrolls down only", wide <= 0, `${wide} px`);
await browser.close();
console.log(`axe-core: ${violations} violations on ${pages.length} pages × ${Object.keys(sizes).length} widths × 2 themes × 2 languages`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
