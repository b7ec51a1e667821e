// Rows of a table: sorted and filtered by the server, changed in their place, made, deleted, taken from CSV and out.
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { known, launch, picture, signedIn, sound, turn } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

async function opened(email) {
  const page = await signedIn(browser, "/tables/documents", { email });
  await page.getByRole("cell", { name: "Budget", exact: true }).waitFor();
  return page;
}

test("rows are sorted and filtered by the server", async () => {
  const page = await opened();
  await page.getByRole("button", { name: "Sort by amount" }).click();
  await page.locator("tbody tr").first().getByText("Plan").waitFor();
  await page.getByRole("button", { name: "Sort by amount" }).click();
  await page.locator("tbody tr").first().getByText("Budget").waitFor();
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.getByLabel("Value").fill("lan");
  await page.getByText("1 row", { exact: true }).waitFor();
  await page.getByRole("cell", { name: "Budget" }).waitFor({ state: "detached" });
  await sound(page, "filtered rows");
});

test("a cell is changed in its place, and its column's own check says why not", async () => {
  const page = await opened();
  await page.getByRole("row", { name: /Budget/ }).getByRole("button", { name: "900", exact: true }).click();
  await page.getByLabel("amount", { exact: true }).fill("-5");
  await page.keyboard.press("Enter");
  await page.locator("[class*=error]", { hasText: /0/ }).first().waitFor();
  await sound(page, "a value that was refused");
  await picture(page, "rows");
  await page.getByLabel("amount", { exact: true }).fill("950.5");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "950.5" }).waitFor();
});

test("a row that was changed meanwhile isn't changed over", async () => {
  const [first, second] = [await opened(), await opened("editor@example.com")];
  await second.getByRole("row", { name: /Plan/ }).getByRole("button", { name: "Plan" }).click();
  await first.getByRole("row", { name: /Plan/ }).getByRole("button", { name: "Plan" }).click();
  await first.getByLabel("title", { exact: true }).fill("Plan A");
  await first.keyboard.press("Enter");
  await first.getByRole("cell", { name: "Plan A" }).waitFor();
  await second.getByLabel("title", { exact: true }).fill("Plan B");
  await second.keyboard.press("Enter");
  await second.getByText("Somebody else has changed this row meanwhile.").waitFor();
});

test("whole numbers that no double holds are shown and changed to the digit", async () => {
  const page = await opened();
  await turn(page, "/tables/counts");
  await page.getByRole("cell", { name: known.big, exact: true }).first().waitFor();
  const more = (by) => String(BigInt(known.big) + BigInt(by));
  await page.getByRole("row", { name: new RegExp(known.big) }).getByRole("button", { name: known.big, exact: true }).click();
  assert.equal(await page.getByLabel("many", { exact: true }).inputValue(), known.big);
  await page.getByLabel("many", { exact: true }).fill(more(2));
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: more(2), exact: true }).waitFor();
  await page.getByRole("button", { name: /"seen"/ }).click();
  assert.equal(JSON.stringify((await page.getByLabel("facts", { exact: true }).inputValue()).match(/\d+/g)), JSON.stringify([known.big]));
  await page.getByLabel("facts", { exact: true }).fill(`{"seen": ${more(4)}}`);
  await page.keyboard.press("Control+Enter");
  await page.getByRole("button", { name: new RegExp(more(4)) }).waitFor();
});

test("a row is made, with its owner found by email, and deleted once that is confirmed", async () => {
  const page = await opened();
  await page.getByRole("button", { name: "New row" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("title").fill("Minutes");
  await form.getByRole("button", { name: "Add it" }).click();
  await form.locator("[class*=error]").first().waitFor(); // the owner lacks
  await form.getByRole("combobox", { name: "owner_user_id" }).fill("bob@");
  await page.getByRole("option", { name: /bob@example.com/ }).click();
  await sound(page, "a new row");
  await form.getByRole("button", { name: "Add it" }).click();
  await page.getByText("3 rows", { exact: true }).waitFor();
  await page.getByRole("row", { name: /Minutes/ }).getByRole("checkbox").click();
  await page.getByRole("button", { name: "Delete 1 row" }).click();
  await page.getByText("gone from documents for good").waitFor();
  await sound(page, "a deletion");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByText("2 rows", { exact: true }).waitFor();
});

test("CSV is taken in but for the lines that fail, which are told, and out again", async () => {
  const page = await opened();
  await page.getByRole("button", { name: "CSV out" }).waitFor();
  const [before] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV out" }).click()]);
  const text = readFileSync(await before.path(), "utf8");
  const [head, line] = text.split("\n");
  const owner = line.split(",")[head.trim().split(",").indexOf("owner_user_id")];
  assert.match(text, /Budget/);
  const lines = ["owner_user_id,title,amount", `${owner},"One, ""quoted""\nin two lines",1`, `${owner},,2`, `${owner},Three,many`, `${owner},Four,4`];
  await page.getByRole("button", { name: "CSV in" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("input[type=file]").setInputFiles({ name: "rows.csv", mimeType: "text/csv", buffer: Buffer.from(lines.join("\r\n")) });
  await dialog.getByRole("button", { name: "Take them in" }).click();
  await dialog.getByText("4 of 4 lines: 2 added, 2 failed").waitFor();
  await dialog.getByRole("row", { name: /^4.*title/ }).waitFor();
  await dialog.getByRole("row", { name: /^5.*amount/ }).waitFor();
  await sound(page, "a report of CSV");
  await picture(page, "rows-csv");
  await page.keyboard.press("Escape");
  await page.getByText("4 rows", { exact: true }).waitFor();
  await page.getByText(/One, "quoted"/).waitFor();
});

test("a table is changed by a plan", async () => {
  const page = await opened();
  await page.getByRole("tab", { name: "Definition" }).click();
  await page.getByText("No findings").waitFor();
  await page.getByRole("region", { name: "Relations" }).getByText("my_documents").waitFor();
  await page.getByLabel("description", { exact: true }).or(page.getByLabel("Add a key")).first().waitFor();
  await turn(page, "/tables/+");
  await page.getByText("No findings").waitFor();
  assert.equal(await page.getByRole("button", { name: "Review the change" }).isDisabled(), true);
  await page.getByLabel("name", { exact: true }).fill("folders");
  await page.getByRole("button", { name: "Review the change" }).click();
  await page.getByText("CREATE TABLE").first().waitFor();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL("**/tables/folders");
  await page.getByText("No rows yet.").waitFor();
  await sound(page, "a table without rows");
});

test("a viewer reads rows, and changes none", async () => {
  const page = await opened("viewer@example.com");
  assert.equal(await page.getByRole("button", { name: "New row" }).count(), 0);
  assert.equal(await page.getByRole("checkbox").count(), 0);
  await page.getByRole("button", { name: "CSV out" }).waitFor();
});
