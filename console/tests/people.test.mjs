// People: users found and changed, what roles open, admins, keys that are shown once, and secrets that never are.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { known, launch, picture, signedIn, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("a user is found by a part of the address, given a role, and can be disabled", async () => {
  const page = await signedIn(browser, "/people");
  await page.getByLabel("Search by email").fill("lice@");
  await page.getByText("1 user", { exact: true }).waitFor();
  await page.getByRole("button", { name: /alice@example.com/ }).click();
  const card = page.getByRole("region", { name: "alice@example.com" });
  await card.getByRole("textbox", { name: "Roles" }).or(card.getByRole("combobox", { name: "Roles" })).first().click();
  await page.getByRole("option", { name: "support" }).click();
  await page.keyboard.press("Escape");
  await card.getByRole("button", { name: "Save roles" }).click();
  await page.getByText("Done; it holds from the next request on.").first().waitFor();
  await sound(page, "a user");
  await picture(page, "people");
  const sessions = card.getByRole("table", { name: "Sessions" });
  await sessions.getByRole("row").nth(1).waitFor();
  const going = await sessions.getByRole("row").count();
  await sessions.getByRole("button", { name: "End" }).first().click();
  await sessions.getByRole("row").nth(going - 1).waitFor({ state: "detached" });
  await card.getByRole("button", { name: "Disable" }).click();
  await card.getByText("disabled", { exact: true }).waitFor();
  await card.getByRole("button", { name: "Enable" }).click();
  await card.getByText("active", { exact: true }).waitFor();
  await card.getByRole("button", { name: "End every session" }).click();
  await card.getByText("None goes on.").waitFor();
  await page.reload();
  await card.getByText("support", { exact: true }).waitFor();
});

test("a user that somebody else has changed meanwhile isn't changed over", async () => {
  const [first, second] = [await signedIn(browser, "/people"), await signedIn(browser, "/people", { email: "editor@example.com" })];
  for (const page of [first, second]) await page.getByRole("button", { name: /bob@example.com/ }).click();
  for (const page of [first, second]) await page.getByLabel("display_name").waitFor();
  await first.getByLabel("display_name").fill("Bobby");
  await first.getByRole("button", { name: "Save columns" }).click();
  await first.getByText("Done; it holds").waitFor();
  await second.getByLabel("display_name").fill("Robert");
  await second.getByRole("button", { name: "Save columns" }).click();
  await second.getByText("Somebody has changed this person meanwhile.").waitFor();
  await second.getByRole("button", { name: "Try again" }).click();
  await second.waitForFunction(() => [...document.querySelectorAll("input")].some((one) => one.value === "Bobby"));
});

test("a user is made, and deleted once that is confirmed", async () => {
  const page = await signedIn(browser, "/people");
  await page.getByRole("button", { name: "New user" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Email").fill("carol@example.com");
  await sound(page, "a new user");
  await form.getByRole("button", { name: "Make it" }).click();
  const card = page.getByRole("region", { name: "carol@example.com" });
  await card.getByRole("button", { name: "Delete user" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await page.waitForURL("**/people/users");
  await page.getByText("2 users", { exact: true }).waitFor();
});

test("the matrix says what each role opens, and a role is made by a plan", async () => {
  const page = await signedIn(browser, "/people/roles");
  const row = page.getByRole("row", { name: /\/api\/export/ });
  await row.waitFor();
  assert.deepEqual(await row.getByRole("cell").allInnerTexts().then((all) => all.slice(1).map((one) => one.trim())), ["stopped", "let through", "let through"]);
  await picture(page, "roles");
  await page.getByLabel("Name of the role").fill("auditor");
  await page.getByRole("button", { name: "New role" }).click();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByRole("columnheader", { name: "Role auditor" }).waitFor();
});

test("an admin is made and disabled by an owner", async () => {
  const page = await signedIn(browser, "/people/admins");
  await page.getByRole("button", { name: "New admin" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Email").fill("dora@example.com");
  await form.getByRole("textbox", { name: "Password" }).fill(known.password);
  await form.getByRole("button", { name: "Make it" }).click();
  const row = page.getByRole("row", { name: /dora@example.com/ });
  await row.getByRole("button", { name: "Disable dora@example.com" }).click();
  await row.getByText("disabled", { exact: true }).waitFor();
});

test("a key is shown once, and revoked", async () => {
  const page = await signedIn(browser, "/people/keys");
  await page.getByRole("button", { name: "New API key" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name").fill("nightly");
  await form.getByRole("button", { name: "Make it" }).click();
  await page.getByText("This key is shown this once.").waitFor();
  const shown = await page.getByRole("alert").locator(".code").innerText();
  assert.ok(shown.length > 20);
  await sound(page, "a new key");
  await page.reload();
  const row = page.getByRole("row", { name: /nightly/ });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
  await row.getByText("revoked", { exact: true }).waitFor();
  assert.equal((await page.content()).includes(shown), false);
});

test("a secret is written, changed, and never shown", async () => {
  const page = await signedIn(browser, "/people/secrets");
  await page.getByRole("button", { name: "New secret" }).click();
  let form = page.getByRole("dialog");
  await form.getByLabel("Name").fill("mailer");
  await form.getByRole("textbox", { name: "Value" }).fill("very-secret-text");
  await form.getByLabel("Hosts").first().fill("mail.example.com");
  await page.keyboard.press("Enter");
  await form.getByRole("button", { name: "Save" }).click();
  const row = page.getByRole("row", { name: /mailer/ });
  await row.getByText("mail.example.com").waitFor();
  await row.getByRole("button", { name: "Change mailer" }).click();
  form = page.getByRole("dialog");
  await form.getByLabel("Description").fill("For mail");
  await form.getByRole("button", { name: "Save" }).click();
  await row.getByText("For mail").waitFor();
  await sound(page, "secrets");
  assert.equal((await page.content()).includes("very-secret-text"), false);
});

test("a viewer sees people, and changes none", async () => {
  const page = await signedIn(browser, "/people", { email: "viewer@example.com" });
  await page.getByRole("button", { name: /alice@example.com/ }).click();
  await page.getByRole("region", { name: "alice@example.com" }).getByText("Last signed in").waitFor();
  for (const name of ["New user", "Save roles", "Disable", "Delete user"]) assert.equal(await page.getByRole("button", { name }).count(), 0);
  assert.equal(await page.getByRole("tab", { name: "Secrets" }).count(), 0);
});
