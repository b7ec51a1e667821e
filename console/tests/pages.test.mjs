// Every page in two widths and both themes, held against axe, its window and its policy.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, known, launch, open, picture, settled, signedIn, signIn, sound, soundInBoth, turn, widen, WIDTHS } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** The first page's weight: all that it asks for, as it comes over the wire. */
const MOST = 350 * 1024;
const PAGES = {
  gate: ["/", (page) => page.getByText("/api/export").waitFor()],
  endpoint: ["/endpoints/submit_document", (page) => page.getByText("No findings").waitFor()],
  middleware: ["/middleware/owns_document", (page) => page.getByText("Used by").waitFor()],
  view: ["/views/my_documents", (page) => page.getByText("No findings").waitFor()],
  rows: ["/tables/documents", (page) => page.getByText("2 rows", { exact: true }).waitFor()],
  table: ["/tables/documents/definition", (page) => page.getByText("No findings").waitFor()],
  people: ["/people", (page) => page.getByText("2 users", { exact: true }).waitFor()],
  roles: ["/people/roles", (page) => page.getByRole("columnheader", { name: "Role support" }).waitFor()],
  admins: ["/people/admins", (page) => page.getByText("viewer@example.com").waitFor()],
  keys: ["/people/keys", (page) => page.getByText("No API keys yet.").waitFor()],
  secrets: ["/people/secrets", (page) => page.getByText("No secrets yet.").waitFor()],
  account: ["/account", (page) => page.getByRole("table", { name: "Sign-ins" }).waitFor()],
  history: ["/history/1", (page) => page.getByText("The first revision.").waitFor()],
  start: ["/start", (page) => page.getByText("There are 11 endpoints").waitFor()],
};

test("every page is sound at both widths and in both themes", async () => {
  const page = await signedIn(browser);
  const widths = [...WIDTHS];
  for (const [name, [path, shown]] of Object.entries(PAGES)) {
    await turn(page, path);
    for (const width of widths) {
      await widen(page, width);
      await shown(page);
      await soundInBoth(page, `${name} at ${width}`, (scheme) => name === "gate" && picture(page, `${name}-${scheme}-${width}`));
    }
    widths.reverse(); // so the next page is turned to in the width that this one was last seen in
  }
});

test("a page is there by its address alone", async () => {
  const page = await signedIn(browser, "/", { width: 360, scheme: "dark" });
  for (const name of ["middleware", "table", "history"]) { // the other tests begin at the others' addresses
    const [path, shown] = PAGES[name];
    await go(page, path);
    await shown(page);
  }
  assert.deepEqual(page.faults, []);
});

test("a page that is turned from takes no more keys while the next one is on its way", async () => {
  const page = await signedIn(browser, "/history/1");
  await page.getByText("The first revision.").waitFor();
  let arrive;
  const until = new Promise((done) => (arrive = done));
  await page.route("**/console/assets/**", (route) => until.then(() => route.continue()));
  await page.getByRole("link", { name: "Tables" }).click();
  await page.getByText("The first revision.").waitFor({ state: "hidden" });
  arrive();
  await page.getByRole("heading", { name: "Tables", exact: true }).waitFor();
});

test("the gate shows where a request is refused", async () => {
  const page = await signedIn(browser);
  await page.getByLabel("Seen as").click();
  await page.getByRole("option", { name: "bob@example.com" }).click();
  await page.getByText("10 of 11 let bob@example.com past the access gate").waitFor();
  await page.getByRole("button", { name: /GET.*\/api\/documents\/\{record_id\}/ }).click();
  await page.getByLabel("record_id").fill(known.document);
  await page.getByRole("button", { name: "Send through the gate" }).click();
  await page.getByText("Refused: 403 chain.refused").waitFor();
  await page.getByText("document.owner_user_id == auth.user.id").first().waitFor();
  assert.equal(await page.locator("[data-light=stop]").count() > 0, true);
  await page.getByText("supabase-js").waitFor();
  await soundInBoth(page, "a refusal on the gate", (scheme) => picture(page, `gate-refused-${scheme}`));
});

test("two people's rows through a view, side by side, with how many are hidden", async () => {
  const page = await signedIn(browser, "/views/my_documents");
  const people = page.getByRole("region", { name: "Preview as" });
  for (const [side, person] of [[0, "alice@example.com"], [1, "bob@example.com"]]) {
    await people.getByLabel("Seen as").nth(side).click();
    await page.getByRole("option", { name: person }).click();
    await people.getByRole("button", { name: "Show their rows" }).nth(side).click();
  }
  await people.getByText("2 of 2 rows shown, 0 hidden by the filter").waitFor();
  await people.getByText("0 of 2 rows shown, 2 hidden by the filter").waitFor();
  await people.getByRole("cell", { name: "Budget" }).waitFor();
  await sound(page, "two previews");
  await people.scrollIntoViewIfNeeded();
  await picture(page, "view-preview");
});

test("a recent refusal is shown on its lane, with what the step saw", async () => {
  const page = await signedIn(browser);
  await page.getByRole("button", { name: "Recent requests" }).click();
  await page.getByRole("dialog").getByRole("button", { name: /GET \/api\/export/ }).first().click();
  await page.getByText("Refused: 403 plan.pro_required").waitFor();
  await page.getByText('auth.user.plan == "pro"').waitFor();
  await sound(page, "a recent request");
});

test("the palette finds an endpoint by a part of its name, by keyboard alone", async () => {
  const page = await signedIn(browser);
  await page.keyboard.press("Control+k");
  await page.getByPlaceholder("Search pages and definitions").fill("contest");
  await page.getByRole("option", { name: /enter_contest/ }).or(page.getByText("POST /api/documents/{record_id}/enter-contest")).first().waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/endpoints/enter_contest");
});

test("the texts are there in German too", async () => {
  const page = await open(browser, { locale: "de-DE" });
  await page.goto(`${known.url}/console/`);
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
});

test("the first page weighs at most 350 KiB, compressed", async () => {
  const page = await open(browser);
  const sizes = [];
  page.on("response", (answer) => {
    if (answer.url().includes("/console/")) sizes.push(answer.request().sizes().then((one) => one.responseBodySize));
  });
  await signIn(page);
  await settled(page);
  const all = (await Promise.all(sizes)).reduce((sum, one) => sum + one, 0);
  console.log(`the first page weighs ${Math.round(all / 1024)} KiB`);
  assert.ok(all > 0 && all <= MOST, `${all} bytes`);
});
