// Operations: how the servers fare, what waits to be sent, tried again and dropped, and the audit log.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, launch, open, picture, signedIn, signIn, sound, soundInBoth, turn, widen, WIDTHS } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const PAGES = {
  operations: ["/operations", (page) => page.getByText("api-2 · 41").waitFor()],
  outbox: ["/operations/outbox", (page) => page.getByText("tell_billing").waitFor()],
  mail: ["/operations/mail", (page) => page.getByText("421 try again later").waitFor()],
  audit: ["/operations/audit", (page) => page.getByText("admin.sign_in").first().waitFor()],
};

test("the operations are sound at both widths and in both themes", async () => {
  const page = await signedIn(browser, "/operations");
  for (const width of WIDTHS) {
    await widen(page, width);
    for (const [name, [path, shown]] of Object.entries(PAGES)) {
      await turn(page, path);
      await shown(page);
      await soundInBoth(page, `${name} at ${width}`, async (scheme) => {
        if (name === "operations" && (width === 1280 || scheme === "light")) await picture(page, `operations-${scheme}-${width}`);
      });
    }
  }
});

test("figures of all processes come together, and name what is out of order", async () => {
  const page = await signedIn(browser, "/operations");
  const other = page.getByRole("row", { name: /api-2 · 41/ });
  await other.getByText("Without the store of limits").waitFor();
  await page.getByRole("region", { name: "Health" }).getByText("Degraded").waitFor();
  const limits = page.getByRole("region", { name: "Limits that were hit" });
  await limits.getByText("34 times").waitFor();
  await limits.getByRole("link", { name: "endpoints/enter_contest" }).waitFor();
  const chart = page.getByRole("region", { name: "Requests by the minute" });
  await chart.getByText("As a table").click();
  const figures = await chart.getByRole("table").getByRole("row").allInnerTexts();
  assert.equal(figures.length, 16);
  const total = figures.slice(1).flatMap((one) => one.split("\t").slice(1).map(Number)).reduce((sum, one) => sum + one, 0);
  const told = await page.getByRole("region", { name: "Requests in 15 minutes" }).innerText();
  assert.ok(told.includes(String(total)), `${told} has no ${total}`);
  await sound(page, "a chart as a table");
});

test("a call that was given up is tried again, and one that waits is dropped once that is confirmed", async () => {
  const page = await signedIn(browser, "/operations/outbox");
  await page.getByText("Given up (1)").click();
  await page.getByRole("row", { name: /tell_search/ }).getByRole("button", { name: "Try now: tell_search" }).click();
  await page.getByText("It is tried again now.").waitFor();
  await page.getByText("No call was given up.").waitFor();
  await page.getByText(/^Waiting/).click();
  const row = page.getByRole("row", { name: /tell_billing/ });
  await row.getByRole("button", { name: "Drop" }).click();
  await page.getByRole("dialog").getByText("The call of tell_billing to billing.example.com is never made.").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Drop", exact: true }).click();
  await row.waitFor({ state: "detached" });
});

test("mail shows neither whom it goes to nor what it says, and what was given up is wiped", async () => {
  const page = await signedIn(browser, "/operations/mail");
  await page.getByRole("row", { name: /recovery/ }).getByRole("button", { name: "Try now: recovery" }).waitFor();
  await page.getByText("Given up (1)").click();
  await page.getByText("550 no such mailbox").waitFor();
  await page.getByText("What was given up is wiped.").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Try/ }).count(), 0);
});

test("the audit log is found by a part of it", async () => {
  const page = await signedIn(browser, "/operations/audit");
  await page.getByLabel("Find who, what or about whom").fill("ADMIN.CREATE");
  await page.getByRole("row", { name: /admin\.create/ }).first().waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].every((one) => one.innerText.includes("admin.create")));
  await page.getByLabel("Find who, what or about whom").fill("nobody at all");
  await page.getByText("Nothing found.").waitFor();
});

test("a viewer sees how the servers fare, and sends nothing again", async () => {
  const page = await signedIn(browser, "/operations/outbox", { email: "viewer@example.com" });
  await page.getByText(/^Waiting/).waitFor();
  for (const name of ["Drop", /^Try/]) assert.equal(await page.getByRole("button", { name }).count(), 0);
});

test("a server that goes away leaves the figures that were read, and says so", async () => {
  const page = await signedIn(browser, "/operations");
  await page.getByText("api-2 · 41").waitFor();
  await page.route("**/admin/v1/**", (route) => route.abort());
  await page.route("**/healthz", (route) => route.abort());
  await page.getByText("The server doesn't answer.").first().waitFor();
  await page.getByText("api-2 · 41").waitFor();
  await page.unroute("**/admin/v1/**");
  await page.unroute("**/healthz");
  await page.getByText("The server doesn't answer.").first().waitFor({ state: "detached" });
});

test("the operations speak German", async () => {
  const page = await open(browser, { locale: "de-DE" });
  await page.addInitScript(() => localStorage.setItem("rowgate.language", "en"));
  await signIn(page);
  await page.addInitScript(() => localStorage.setItem("rowgate.language", "de"));
  await go(page, "/operations");
  await page.getByRole("heading", { name: "Betrieb" }).waitFor();
  await page.getByText("Prozesse, die diese Datenbank bedienen").first().waitFor();
  await sound(page, "the operations in German");
});
