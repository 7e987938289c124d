// Pages of a large fleet, as they look.
import { check, run } from "./lib.mjs";

run(async (browser) => {
  await browser.look("/", "fleet");
  await browser.look("/domains/long.example?since=5y", "long");
  const page = await browser.page();
  await page.goto(`${browser.base}/`);
  await page.getByLabel("Search").fill("d99999");
  await page.getByLabel("Search").press("Enter");
  await page.getByText("1 domain found").waitFor();
  await page.getByRole("link", { name: "d99999.example" }).waitFor();
  await page.goto(`${browser.base}/`);
  await page.getByRole("link", { name: "next page" }).click();
  await page.getByRole("link", { name: "first page" }).waitFor();
  check("the list goes on", await page.locator("#list tbody tr").count() === 100);
});
