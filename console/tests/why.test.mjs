// Why: the story of a request, its replay and its test, coverage, the isolation proof and the shadow.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, known, launch, picture, signedIn, sound, soundInBoth, turn, widen, WIDTHS } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const PAGES = {
  requests: ["/why", (page) => page.getByText("/api/export").first().waitFor()],
  tests: ["/why/tests", (page) => page.getByRole("rowheader", { name: "get_document" }).waitFor()],
  isolation: ["/why/isolation", (page) => page.getByRole("button", { name: /Start the proof|Prove it again/ }).waitFor()],
  shadow: ["/why/shadow", (page) => page.getByText("No shadow runs").waitFor()],
};

test("every part is sound at both widths and in both themes", async () => {
  const page = await signedIn(browser);
  for (const width of WIDTHS) {
    await widen(page, width);
    for (const [name, [path, shown]] of Object.entries(PAGES)) {
      await turn(page, path);
      await shown(page);
      await soundInBoth(page, `why/${name} at ${width}`);
    }
    await turn(page, "/why/requests?which=refused");
    await page.getByRole("button", { name: /\/api\/export/ }).first().click();
    await page.getByText("The step require decided that.").waitFor();
    await soundInBoth(page, `a story at ${width}`, async (scheme) => {
      if (scheme === "light" && width === 1280) await picture(page, "why-story");
    });
  }
});

test("a refusal is found by person, endpoint, code and id, and its story says what decided", async () => {
  const page = await signedIn(browser, "/why");
  await page.getByText("Refused", { exact: true }).click();
  await page.getByRole("combobox", { name: "Person" }).fill("bob@example.com");
  await page.getByText("1 request", { exact: true }).waitFor();
  await page.getByRole("combobox", { name: "Code" }).fill("no.such");
  await page.getByText("No request that is remembered fits.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await page.getByRole("combobox", { name: "Endpoint or view" }).fill("get_doc");
  await page.getByRole("option", { name: "endpoints/get_document" }).click();
  await page.getByRole("button", { name: new RegExp(known.document) }).first().click();
  const story = page.getByRole("region", { name: "Its story" });
  await story.getByText("Asked by bob@example.com").waitFor();
  await story.getByText("This document belongs to somebody else.").waitFor();
  await story.getByText('document.owner_user_id == auth.user.id || "support" in auth.user.roles').waitFor();
  await story.getByText(/^document\.owner_user_id = /).waitFor();
  await story.getByText(/It took .*(ms|s)/).waitFor();
  assert.match(page.url(), /target=endpoints%2Fget_document/);
  await page.reload(); // the address says what is open and what was asked
  await story.getByText("Asked by bob@example.com").waitFor();
});

test("what is typed into the middle of a filter stays where it was typed", async () => {
  const page = await signedIn(browser, "/why");
  const code = page.getByRole("combobox", { name: "Code" });
  await code.fill("nd");
  await code.press("Home");
  await code.pressSequentially("access.fou");
  assert.equal(await code.inputValue(), "access.found");
  assert.match(page.url(), /code=access\.found/);
});

test("slow requests are a list of their own, with the time of each stage", async () => {
  const page = await signedIn(browser, "/why?which=slow");
  // By its status alone: the digits 201 stand in times and ids of refused ones, too.
  const made = page.getByText("201", { exact: true });
  await page.getByRole("button", { name: /^POST\s?\/api\/documents\b/ }).filter({ has: made }).first().click();
  const times = page.getByRole("list", { name: "Where the time went" });
  await times.getByText(/^Endpoint /).waitFor();
  assert.equal(await times.getByRole("listitem").count(), 7);
  await page.getByText("It was answered with 201.").waitFor();
});

test("a request is replayed on a draft, and what comes is held against what came", async () => {
  const page = await signedIn(browser, "/endpoints/export_documents");
  const editor = page.getByLabel("Definition as YAML");
  await editor.waitFor();
  const draft = (await page.evaluate(async () => (await (await fetch("/admin/v1/browser/refresh", { method: "POST" })).json()).access_token));
  const live = await (await fetch(`${known.url}/admin/v1/endpoints/export_documents`, { headers: { Authorization: `Bearer ${draft}` } })).json();
  const opened = { ...live, middleware: live.middleware.filter((one) => (one.use ?? one) !== "pro_only") };
  await page.evaluate((text) => localStorage.setItem("rowgate.draft.endpoints/export_documents", JSON.stringify({ text, etag: "*" })), JSON.stringify(opened));
  await turn(page, "/why/requests?code=plan.pro_required");
  await page.getByRole("button", { name: /\/api\/export/ }).first().click();
  await page.getByRole("tab", { name: "Replay it" }).click();
  await page.getByRole("button", { name: "Send through the gate" }).click();
  await page.getByText("It comes out as it did.").waitFor();
  await page.getByText("The draft in this browser", { exact: true }).click();
  await page.getByRole("button", { name: "Send through the gate" }).click();
  await page.getByText("It comes out otherwise.").waitFor();
  await page.getByText("Answered 200").first().waitFor();
  await sound(page, "a replay");
});

test("a test is made of a refusal, passes, is added, and shows in the coverage", async () => {
  const page = await signedIn(browser, "/why/requests?target=endpoints/get_document&which=refused");
  await page.getByRole("button", { name: new RegExp(known.document) }).first().click();
  await page.getByRole("tab", { name: "Make a test of it" }).click();
  await page.getByRole("button", { name: "Make the test" }).click();
  await page.getByText("Over rows of its own it comes out just so.").waitFor();
  const yaml = await page.getByLabel("The test as YAML").textContent();
  assert.match(yaml, /path: '?"?\/api\/documents\/\{document\}/);
  assert.doesNotMatch(yaml, /Plan|example\.com/);
  await sound(page, "a test that was made");
  await page.getByRole("tab", { name: "Make a test of it" }).evaluate((tab) => window.scrollTo(0, tab.getBoundingClientRect().top - 80));
  await picture(page, "why-made-test");
  await page.getByRole("button", { name: "Add it to the tests" }).click();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText("It is live.").first().waitFor();
  await turn(page, "/why/tests");
  await page.getByRole("img", { name: /a_user_may_not_call_get_document/ }).waitFor();
  await page.getByRole("button", { name: "Run all" }).click();
  await page.getByText(/^\d+ passed$/).first().waitFor();
  assert.equal(await page.getByText(/^\d+ failed$/).count(), 0);
  await sound(page, "tests that were run");
  await picture(page, "why-coverage");
});

test("the isolation proof is followed while it runs, and tells what came", async () => {
  const page = await signedIn(browser, "/why/isolation");
  await page.getByRole("button", { name: "Start the proof" }).click();
  await page.getByRole("progressbar").waitFor({ state: "attached" });
  await page.getByText("No leaks").waitFor({ timeout: 240_000 });
  await page.getByText("Neither of the two came to anything of the other's.").waitFor();
  await sound(page, "a proof");
  await page.reload();
  await page.getByText("No leaks").waitFor(); // it stays, whoever asked for it
});

test("a shadow of a draft counts what would have been answered otherwise", async () => {
  const page = await signedIn(browser);
  await page.evaluate(() => localStorage.setItem("rowgate.draft.middleware/pro_only", JSON.stringify({ text: "name: pro_only\nsteps:\n  - {do: set, values: {asked: true}}\n", etag: "*" })));
  await turn(page, "/why/shadow");
  await page.getByRole("button", { name: "Start the shadow" }).click();
  await page.getByText("No request would have been answered otherwise so far.").waitFor();
  const asked = await fetch(`${known.url}/api/export`, { headers: { Authorization: `Bearer ${known.token}` } });
  assert.equal(asked.status, 403);
  await page.getByText(/403 plan\.pro_required/).first().waitFor();
  await page.getByRole("button", { name: "Live / Draft" }).click();
  await page.getByText("auth.user.plan").first().waitFor();
  await sound(page, "a shadow");
  await page.getByRole("button", { name: "End it" }).click();
  await page.getByText("ended", { exact: true }).waitFor();
  await page.getByText("No shadow runs").waitFor();
});

test("a viewer reads stories and makes tests, and neither replays nor runs a shadow", async () => {
  const page = await signedIn(browser, "/why/requests?code=plan.pro_required", { email: "viewer@example.com" });
  await page.getByRole("button", { name: /\/api\/export/ }).first().click();
  await page.getByRole("tab", { name: "Replay it" }).click();
  await page.getByText("Only editors may simulate requests.").waitFor();
  await page.getByRole("tab", { name: "Make a test of it" }).click();
  await page.getByRole("button", { name: "Make the test" }).click();
  await page.getByLabel("The test as YAML").waitFor();
  assert.equal(await page.getByRole("button", { name: "Add it to the tests" }).count(), 0);
  await turn(page, "/why/shadow");
  await page.getByText("Only editors may run a shadow.").waitFor();
});

test("what is asked for stays when the server goes away and comes back", async () => {
  const page = await signedIn(browser, "/why?which=refused");
  await page.getByText("/api/export").first().waitFor();
  await page.route("**/admin/v1/**", (route) => route.abort());
  await page.route("**/healthz", (route) => route.abort());
  await page.getByLabel("Id or path").fill("/api/export");
  await page.getByText("The server doesn't answer. What you typed").waitFor();
  await page.unroute("**/admin/v1/**");
  await page.unroute("**/healthz");
  await page.getByText("The server doesn't answer. What you typed").waitFor({ state: "detached" });
  assert.equal(await page.getByLabel("Id or path").inputValue(), "/api/export");
  await page.getByText("/rest/v1/my_documents").waitFor({ state: "detached" }); // what was typed meanwhile is asked now
  await page.getByText("/api/export").first().waitFor();
});
