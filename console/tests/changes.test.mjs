// Changes: planned, applied with a comment, and never over another admin's.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { known, launch, picture, signedIn, sound, turn } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("an endpoint is made by a plan, and is there at once", async () => {
  const page = await signedIn(browser, "/start");
  await page.getByRole("textbox", { name: "Name" }).fill("greeting");
  await page.getByRole("button", { name: "Create it" }).click();
  await page.getByText("who is signed in").first().waitFor();
  await sound(page, "the plan");
  await page.getByLabel("Comment").fill("Greets");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByRole("button", { name: "Send both" }).waitFor();
  await turn(page, "/");
  await page.getByText("/api/greeting").waitFor();
});

const code = (page) => page.getByRole("textbox", { name: "Definition as YAML" });

async function typed(page, text) {
  await code(page).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
  // Where all of a text is replaced, Chromium itself tries to keep its style by an attribute, which the policy stops.
  page.faults = page.faults.filter((one) => !one.startsWith("Applying inline style"));
}

const DEFINITION = `name: export_documents
method: GET
path: /export
access: authenticated
middleware: [pro_only]
steps:
  - do: require
    that: auth.user.plan == "pro"
    status: 403
  - do: respond
    body: {exported_at: =now}
`;

test("form and YAML are never out of step, and a finding stands under what it is about", async () => {
  const page = await signedIn(browser, "/endpoints/export_documents");
  await page.getByText("No findings").waitFor();
  await page.getByLabel("path", { exact: true }).fill("/exported");
  await page.locator(".cm-line", { hasText: "path: /exported" }).waitFor();
  await typed(page, DEFINITION.replace("auth.user.plan", "auth.user.plam"));
  await page.getByText("1 finding").waitFor();
  await page.locator(".cm-lintRange-error", { hasText: "auth.user.plam" }).waitFor();
  await page.getByText("/exported").waitFor({ state: "detached" });
  await page.getByRole("button", { name: /require/ }).first().click();
  assert.equal(await page.getByLabel("that", { exact: true }).inputValue(), 'auth.user.plam == "pro"');
  await sound(page, "a finding in the editor");
  await picture(page, "endpoint-finding");
  await page.getByLabel("that", { exact: true }).fill('auth.user.plan == "pro"');
  await page.getByText("No findings").waitFor();
  await page.getByRole("button", { name: "Move down: Step 1: require" }).click();
  await page.waitForFunction(() => /respond[^]*require/.test(document.querySelector(".cm-content").innerText));
  await page.getByRole("button", { name: "Discard the draft" }).click();
});

test("a draft survives a reload, is tried as it stands, and tests that fail keep it from being applied", async () => {
  const page = await signedIn(browser, "/endpoints/export_documents");
  await page.getByText("No findings").waitFor();
  await typed(page, DEFINITION.replace("authenticated", "public").replace("middleware: [pro_only]\n", "").replace('auth.user.plan == "pro"', "1 == 1"));
  await page.getByText("Changed, and not live yet").waitFor();
  await page.reload();
  await page.getByText("Changed, and not live yet").waitFor();
  await page.getByRole("button", { name: "Send through the gate" }).click();
  await page.getByText("Answered 200").waitFor();
  await page.getByRole("button", { name: "Review the change" }).click();
  await page.getByText("Opens more").first().waitFor();
  await page.getByText(/policy tests fail/).waitFor();
  assert.equal(await page.getByRole("button", { name: "Apply" }).isDisabled(), true);
  await sound(page, "a plan whose tests fail");
  await picture(page, "plan-refused");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Discard the draft" }).click();
});

test("two admins at once: the second is told what changed, and loses no edit", async () => {
  const [first, second] = [await signedIn(browser, "/endpoints/status"), await signedIn(browser, "/endpoints/status", { email: "editor@example.com" })];
  for (const page of [first, second]) await page.getByText("No findings").waitFor();
  await first.getByLabel("description", { exact: true }).fill("Says that it lives.");
  await second.getByLabel("path", { exact: true }).fill("/alive");
  await first.getByRole("button", { name: "Review the change" }).click();
  await first.getByLabel("Comment").fill("Plainer words");
  await first.getByRole("button", { name: "Apply" }).click();
  await first.getByText("It is live.").waitFor();
  await second.getByRole("button", { name: "Review the change" }).click();
  await second.getByText("Somebody else has changed the backend meanwhile").waitFor();
  await second.getByText(/Plainer words/).waitFor();
  await sound(second, "a conflict");
  await picture(second, "conflict");
  await second.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await second.getByLabel("path", { exact: true }).inputValue(), "/alive");
  await second.getByRole("button", { name: "Discard the draft" }).click();
});

test("the history shows what a revision changed, and goes back", async () => {
  const page = await signedIn(browser, "/history");
  await page.getByRole("button", { name: /Plainer words/ }).first().click();
  await page.getByText("Says that it lives.").first().waitFor();
  await sound(page, "a difference");
  await picture(page, "history");
  await page.getByRole("button", { name: /^#1/ }).click();
  await page.getByRole("button", { name: "Go back to this" }).click();
  await page.getByLabel("Comment").fill("As it was");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText(/As it was/).first().waitFor();
});

test("a viewer reads definitions, and changes none", async () => {
  const page = await signedIn(browser, "/endpoints/status", { email: "viewer@example.com" });
  await page.getByText("You may look at everything and change nothing.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Review the change" }).count(), 0);
  assert.equal(await page.getByRole("link", { name: "New endpoint" }).count(), 0);
  assert.ok(known.url);
});
