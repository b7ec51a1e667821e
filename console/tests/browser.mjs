// What the tests share: the browser, an admin who is signed in, axe, and pictures for the docs.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { chromium } from "playwright-core";

export const known = JSON.parse(process.env.ROWGATE_CONSOLE);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const HEIGHT = 860;
const [opened, kept] = [[], new Map()];
export const WIDTHS = [1280, 360];
export const SCHEMES = ["light", "dark"];

export const launch = () => chromium.launch({ executablePath: known.browser, args: ["--no-sandbox"] });

afterEach(() => Promise.all(opened.splice(0).map((context) => context.close()))); // a page that is left goes on asking

/** A page whose own faults fail the test: what it throws, and what its policy stops. */
export async function open(browser, { width = 1280, scheme = "light", locale = "en-GB" } = {}) {
  const context = await browser.newContext({ viewport: { width, height: HEIGHT }, colorScheme: scheme, locale, reducedMotion: "reduce" });
  opened.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // for machines that do much else
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy|Warning:/.test(message.text())) page.faults.push(message.text());
  });
  page.asked = new Set();
  for (const over of ["requestfinished", "requestfailed"]) page.on(over, (request) => page.asked.delete(request));
  // What was sent is over once it is answered: an answer that the page doesn't read has no end.
  page.on("response", (answer) => answer.request().method() === "GET" || page.asked.delete(answer.request()));
  page.on("request", (request) => {
    page.asked.add(request);
    if (!request.url().startsWith(known.url) && !request.url().startsWith("data:")) page.faults.push(`asks ${request.url()}`);
  });
  return page;
}

/** Gives a page another width, as who resizes the window does. */
export const widen = (page, width) => page.setViewportSize({ width, height: HEIGHT });

/**
 * A page where an admin has just signed in: one for each admin and file, which a test gets with nothing of the one before
 * but the window, and in which the next test's page is loaded. A page of its own, for who is there twice, comes of `open`.
 */
export async function signedIn(browser, path = "/", { email = "root@example.com", width = WIDTHS[0], scheme = SCHEMES[0] } = {}) {
  const page = kept.get(email) ?? (await open(browser));
  kept.set(email, page);
  opened.splice(0, opened.length, ...opened.filter((context) => context !== page.context()));
  await page.unrouteAll();
  page.faults = [];
  if (page.url().startsWith(known.url)) await page.evaluate(() => [localStorage, sessionStorage].forEach((one) => one.clear()));
  await widen(page, width);
  await page.emulateMedia({ colorScheme: scheme });
  await enter(page, email);
  await go(page, path);
  if (path === "/") await page.getByRole("heading", { name: "The gate" }).waitFor();
  return page;
}

/** Signs in as the form does, without it. */
async function enter(page, email) {
  const said = { data: { email, password: known.password }, headers: { Origin: known.url } };
  const answer = await page.context().request.post(`${known.url}/admin/v1/browser/sign-in`, said);
  assert.equal(answer.status(), 200, await answer.text());
}

/** Turns to another page of the console that is there, as its own links do; the one before is gone then. */
export const turn = (page, path) =>
  page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
    return new Promise((done) => setTimeout(done)); // behind what the event has made React do
  }, `/console${path}`);

/** Signs in by the form, on a page, which is shown then. */
export async function signIn(page, email = "root@example.com", path = "/", password = known.password) {
  await go(page, path);
  await page.getByLabel("Email").fill(email);
  await page.getByRole("textbox", { name: "Password" }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "detached" });
  if (path === "/") await page.getByRole("heading", { name: "The gate" }).waitFor();
}

export const go = (page, path) => page.goto(`${known.url}/console${path}`);

/** Waits until all that a page asked for is there and drawn, and asks for nothing more; for three seconds at most. */
export async function settled(page) {
  const drawn = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))));
  const until = Date.now() + 3000;
  for (let quiet = 0; quiet < 3 && Date.now() < until; quiet += 1) {
    await drawn();
    if (page.asked.size > 0) quiet = -1;
  }
}

/** Holds a page against axe, its own width and its own faults. */
export async function sound(page, what) {
  await still(page);
  await held(page, what, RULES);
}

/**
 * Holds a page so in both themes, from the one that it is shown in to the other, in which it stays; `seen` is told each.
 * Where all that stands in it is as it was, but for the switch of the theme, nothing but colours differs: of the other theme
 * axe is asked only about these then. The next page is asked about everything in the theme that this one was left in.
 */
export async function soundInBoth(page, what, seen = () => undefined) {
  const schemes = (await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches)) ? [...SCHEMES].reverse() : SCHEMES;
  await sound(page, `${what} in ${schemes[0]}`);
  await seen(schemes[0]);
  const before = await page.evaluate(standing);
  await page.emulateMedia({ colorScheme: schemes[1] });
  await page.locator(`html[data-mantine-color-scheme=${schemes[1]}]`).waitFor();
  await still(page);
  const colours = (await page.evaluate(standing)) === before;
  await held(page, `${what} in ${schemes[1]}`, colours ? await page.evaluate(coloursOf, RULES) : RULES);
  await seen(schemes[1]);
}

/** Waits until a page is still, with its beginning in sight: what the fixed header covers is no target. */
async function still(page) {
  await settled(page);
  await page.evaluate(() => window.scrollTo(0, 0));
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
}

/** All of a page but its colours, and the switch of the theme: its elements, what they hold, where they are, and whether they are seen. */
function standing() {
  const change = document.querySelector('button:is([aria-label="Switch to light"], [aria-label="Switch to dark"])');
  const shown = [...document.body.querySelectorAll("*")].filter((one) => one.parentElement?.closest("button") !== change || change === null);
  const placed = shown.map((one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    const seen = one.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return [x, y, width, height, one.scrollWidth, one.scrollHeight, seen, one.value, one.checked];
  });
  return JSON.stringify([document.body.outerHTML.replace(change?.outerHTML ?? "", ""), placed]);
}

/** The rules of some kinds that are about colours. */
const coloursOf = (kinds) => window.axe.getRules(kinds).filter(({ tags }) => tags.includes("cat.color")).map(({ ruleId }) => ruleId);

async function held(page, what, rules) {
  const { violations } = await page.evaluate((only) => window.axe.run(document, { runOnly: only, resultTypes: ["violations"] }), rules);
  const told = violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join("\n")}`);
  assert.deepEqual(told, [], what);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)) <= 0, `${what} is wider than its window`);
  assert.deepEqual(page.faults, [], what);
}

/** Keeps a picture for the docs, where they are asked for. */
export async function picture(page, name) {
  const folder = process.env.ROWGATE_SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
}
