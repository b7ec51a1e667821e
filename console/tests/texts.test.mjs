// Whatever somebody stores is shown as text: no page runs it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, settled, signedIn, turn } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const PAGES = ["/", "/start", "/endpoints/hello", "/middleware/asks", "/views/all_notes", "/tables/notes", "/tables/notes/definition", "/people", "/people/roles", "/history/1", "/why", "/why/tests", "/why/isolation", "/why/shadow"];

test("texts of definitions and requests are no scripts on any page", async () => {
  const page = await signedIn(browser);
  for (const path of PAGES) {
    await turn(page, path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await settled(page);
    const lanes = await page.locator("li[data-index]").count();
    for (let at = 0; at < lanes; at += 1) {
      await page.locator(`li[data-index="${at}"] button`).first().click();
      await settled(page);
    }
    assert.equal(await page.locator("img[src=x]").count(), 0, path);
    assert.equal(await page.evaluate(() => window.pwned), undefined, path);
  }
  await turn(page, "/");
  await page.getByRole("button", { name: "Recent requests" }).click();
  await page.getByRole("dialog").getByRole("button", { name: /GET \/api\/hello/ }).first().click();
  await page.getByText("<img src=x onerror").first().waitFor();
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await turn(page, "/why");
  await page.getByRole("button", { name: /\/api\/hello/ }).first().click();
  const story = page.getByRole("region", { name: "Its story" });
  await story.getByText("<img src=x onerror").first().waitFor();
  await page.getByRole("tab", { name: "Make a test of it" }).click();
  await page.getByRole("button", { name: "Make the test" }).click();
  await page.getByLabel("The test as YAML").getByText("onerror=window.pwned=1").waitFor();
  await page.getByRole("tab", { name: "Replay it" }).click();
  await page.getByRole("button", { name: "Send through the gate" }).click();
  await page.getByText("It comes out as it did.").waitFor();
  assert.equal(await page.locator("img[src=x]").count(), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.deepEqual(page.faults, []);
});
