// Where admins need a second factor, nothing is open before it is added.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { codeOf } from "./authenticator.mjs";
import { known, launch, open, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("whoever signs in adds a second factor first, and then comes in", async () => {
  const page = await open(browser, { locale: "de-DE" });
  await page.goto(`${known.url}/console/people`);
  await page.getByLabel("E-Mail").fill("root@example.com");
  await page.locator("input[type=password]").fill(known.password);
  await page.getByRole("button", { name: "Anmelden" }).click();
  await page.getByRole("heading", { name: "Zuerst ein zweiter Faktor" }).waitFor();
  assert.equal(await page.getByRole("navigation").count(), 0);
  await sound(page, "a second factor first");
  await page.getByRole("button", { name: "Authenticator hinzufügen" }).click();
  await page.getByRole("dialog").locator("input[type=password]").fill(known.password);
  await page.getByRole("dialog").getByRole("button", { name: "Weiter" }).click();
  const secret = await page.locator("form .code").innerText();
  await page.getByLabel("Code", { exact: true }).fill(codeOf(secret));
  await page.getByRole("button", { name: "Prüfen" }).click();
  await page.getByRole("button", { name: "Ich habe sie aufbewahrt" }).click();
  await page.getByRole("heading", { name: "Personen" }).waitFor();
});
