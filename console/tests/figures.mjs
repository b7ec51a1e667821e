// Measures the console of a server that holds much: prints JSON, a line for each thing that a person does.
import { chromium } from "playwright-core";

const { url, browser: executablePath, password, turns } = JSON.parse(process.env.ROWGATE_CONSOLE);
const SMOOTH = { width: 1280, height: 860 };
const OBSERVE = () => {
  window.long = [];
  new PerformanceObserver((list) => window.long.push(...list.getEntries().map((one) => one.duration))).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => { window.largest = list.getEntries().at(-1).startTime; }).observe({ type: "largest-contentful-paint", buffered: true });
};
const middle = (of) => [...of].sort((one, other) => one - other)[Math.floor(of.length / 2)];
const say = (line) => console.log(JSON.stringify(line));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function opened(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.addInitScript(OBSERVE);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable");
  await devtools.send("Network.enable");
  return { page, devtools };
}

/** CPU seconds of the page's main thread so far. */
async function busy(devtools) {
  const { metrics } = await devtools.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "ThreadTime").value;
}

/** Does something in a page, and prints how long it took, the main thread's share, and its long tasks. */
async function doing(what, { page, devtools }, act) {
  await page.waitForTimeout(300);
  await page.evaluate(() => { window.long = []; });
  const before = await busy(devtools);
  const began = Date.now();
  const more = (await act(page)) ?? {};
  const took = Date.now() - began;
  await page.waitForTimeout(300);
  const long = await page.evaluate(() => window.long);
  say({ what, ms: took, cpu_ms: Math.round(1000 * ((await busy(devtools)) - before)), long: long.length, longest: Math.round(Math.max(0, ...long)), ...more });
}

/** Opens a page with nothing cached, some times; prints its paints and what came over the wire. */
async function cold(what, context, path, shown) {
  const [first, largest, cpu, sent, data] = [[], [], [], [], []];
  for (let turn = 0; turn < turns; turn += 1) {
    const { page, devtools } = await opened(context);
    await devtools.send("Network.clearBrowserCache");
    const kinds = new Map();
    let [files, answers] = [0, 0];
    devtools.on("Network.responseReceived", ({ requestId, response }) => kinds.set(requestId, response.url));
    devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      if (kinds.get(requestId)?.includes("/console")) files += encodedDataLength;
      else answers += encodedDataLength;
    });
    await page.goto(`${url}/console${path}`);
    await shown(page).waitFor();
    await page.waitForTimeout(500);
    const paint = await page.evaluate(() => [performance.getEntriesByName("first-contentful-paint")[0].startTime, window.largest]);
    first.push(paint[0]);
    largest.push(paint[1]);
    cpu.push(1000 * (await busy(devtools)));
    sent.push(files / 1024);
    data.push(answers / 1024);
    await page.close();
  }
  const of = (all) => Math.round(middle(all));
  say({ what, first_paint_ms: of(first), largest_paint_ms: of(largest), cpu_ms: of(cpu), files_kib: of(sent), answers_kib: of(data) });
}

/** Turns the wheel over what is under the mouse. */
async function scrolled(page, times, by) {
  await page.mouse.move(640, 500);
  for (let turn = 0; turn < times; turn += 1) {
    await page.mouse.wheel(0, by);
    await page.waitForTimeout(40);
  }
}

/** Does what makes the grid ask, and gives how long the server's answer took. */
async function asked(page, act) {
  const answered = page.waitForResponse((one) => one.url().includes("/rows?") && one.request().method() === "GET");
  await act();
  const answer = await answered;
  await answer.finished();
  await page.getByRole("cell").first().waitFor();
  return { answer_ms: Math.round(answer.request().timing().responseEnd) };
}

const context = await browser.newContext({ viewport: SMOOTH, locale: "en-GB", reducedMotion: "reduce" });
await cold("sign-in, nothing cached", context, "/", (page) => page.getByRole("heading", { name: "Sign in" }));

const tab = await opened(context);
await tab.page.goto(`${url}/console/`);
await tab.page.getByLabel("Email").fill("root@example.com");
await tab.page.getByRole("textbox", { name: "Password" }).fill(password);
await tab.page.getByRole("button", { name: "Sign in" }).click();
const lane = (page) => page.locator("li[data-index]").first();
await lane(tab.page).waitFor();
await cold("the gate, nothing cached", context, "/", lane);

await doing("the gate: scrolled, 30,000 px", tab, (page) => scrolled(page, 100, 300));
await doing("the gate: filtered by what is typed", tab, (page) => page.getByLabel("Filter by name, path or table").pressSequentially("endpoint_123", { delay: 40 }));
await doing("the gate: seen as anonymous", tab, async (page) => {
  await page.getByLabel("Filter by name, path or table").fill("");
  await page.getByLabel("Seen as").first().click();
  await page.getByRole("option").first().click();
});
await doing("the gate: a lane opened", tab, async (page) => { await page.evaluate(() => window.scrollTo(0, 0)); await lane(page).getByRole("button").first().click(); await page.getByRole("link", { name: "Edit" }).first().waitFor(); });

const inside = (name) => (page) => page.getByRole("link", { name }).first().click();
await doing("endpoints: opened", tab, async (page) => { await inside("Endpoints")(page); await page.getByRole("navigation", { name: "Definitions" }).getByRole("link").first().waitFor(); });
await doing("endpoints: the list scrolled", tab, async (page) => { await page.getByRole("navigation", { name: "Definitions" }).getByRole("link").first().hover(); for (let n = 0; n < 60; n += 1) { await page.mouse.wheel(0, 800); await page.waitForTimeout(40); } });
await doing("tables: opened, with the diagram", tab, async (page) => { await inside("Tables")(page); await page.getByRole("region", { name: "Tables and their references" }).getByRole("link").first().waitFor(); });
await doing("tables: the list scrolled", tab, async (page) => { await page.getByRole("navigation", { name: "Definitions" }).getByRole("link").first().hover(); for (let n = 0; n < 40; n += 1) { await page.mouse.wheel(0, 800); await page.waitForTimeout(40); } });
await doing("the diagram: scrolled", tab, async (page) => {
  const picture = page.getByRole("group", { name: "Tables and their references" });
  await picture.scrollIntoViewIfNeeded();
  await picture.hover();
  for (let n = 0; n < 60; n += 1) { await page.mouse.wheel(n % 2 ? 0 : 200, n % 2 ? 60 : 0); await page.waitForTimeout(40); }
});
await doing("the diagram: references lit, 40 tables", tab, async (page) => {
  const group = page.getByRole("group", { name: "Tables and their references" });
  await group.evaluate(async (picture) => {
    for (const one of [...picture.querySelectorAll("a")].slice(0, 40)) {
      one.focus();
      await new Promise(requestAnimationFrame);
    }
  });
});

await tab.page.goto(`${url}/console/tables/table_0`);
await tab.page.getByRole("cell").first().waitFor();
await doing("a million rows: the next page", tab, (page) => asked(page, () => page.getByRole("button", { name: "Page 2", exact: true }).click()));
await doing("a million rows: the last page", tab, (page) => asked(page, () => page.getByRole("button", { name: "Page 20000", exact: true }).click()));
await doing("a million rows: sorted by a column with no index", tab, (page) => asked(page, () => page.getByRole("button", { name: "Sort by amount" }).click()));
await doing("a million rows: filtered by a part of a text", tab, async (page) => {
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  return asked(page, () => page.getByLabel("Value").fill("999"));
});
await doing("a million rows: the grid scrolled", tab, (page) => scrolled(page, 40, 200));
await doing("a million rows: a cell opened", tab, async (page) => { await page.getByRole("row").nth(3).getByRole("button").nth(1).click(); await page.getByRole("button", { name: "Save" }).waitFor(); });
await browser.close();
