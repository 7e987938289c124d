// The life of a domain on the page: it is registered, verified, broken, silenced and mended, while the page is open.
import { ask, check, run } from "./lib.mjs";

const domain = "notice.shop.example";

run(async (browser) => {
  const page = await browser.page();
  const standing = (words, timeout = 60_000) => page.locator("#head .standing", { hasText: words }).waitFor({ timeout });

  // Nothing is registered: the page says what to do.
  await page.goto(`${browser.base}/`);
  await page.getByText("No domain is registered.").waitFor();
  await browser.look("/", "empty");

  // The first key stroke leads past the navigation.
  await page.keyboard.press("Tab");
  check("the skip link", await page.evaluate(() => document.activeElement.textContent === "Skip to content"));
  await page.keyboard.press("Enter");
  check("it leads to the content", page.url().endsWith("#main"));

  // Registration: what is wrong is said, then what must be published is shown.
  await page.getByRole("link", { name: "Register a domain" }).click();
  await page.getByLabel("sending domain").fill("no domain");
  await page.getByLabel("mail service").selectOption("custom");
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("sending domain").fill(domain);
  await page.getByLabel("further records").fill("spf=v=spf1 mx -all\ndmarc\ndkim@s1._domainkey\ntxt@hostile");
  await page.getByLabel("your name").fill("Ada <b>Lovelace</b>");
  await page.getByRole("button", { name: "Show what must be published" }).click();
  await page.getByText("v=spf1 mx -all").first().waitFor();
  await browser.look(new URL(page.url()).pathname + new URL(page.url()).search, "register");
  await page.locator("#publish button.copy").nth(1).click();
  check("the copy", (await page.evaluate(() => navigator.clipboard.readText())).length > 0);
  await page.getByRole("button", { name: "Register and begin" }).click();
  await page.waitForURL(`**/domains/${domain}**`);
  await page.getByText("Registered. Publish what is listed below").waitFor();
  await page.getByText("not seen as expected yet").first().waitFor();
  await browser.look(`/domains/${domain}`, "pending");

  // Why is it not there? A closer look says, with what to publish.
  await page.getByRole("button", { name: "Look closer" }).click();
  await page.locator("section.record", { hasText: "dmarc" }).getByText("missing").first().waitFor();
  await browser.accessible(page, "a closer look");
  await page.screenshot({ path: `${browser.shots}/diagnosis.png`, fullPage: true });
  await page.goBack();
  await page.locator("#head .standing").waitFor();

  // It is published: the page turns by itself.
  await ask("publish");
  await standing("holding");
  check("the page was not loaded anew", page.url().includes("done=registered"));
  await browser.look(`/domains/${domain}`, "holding");

  // Somebody breaks the SPF record.
  const overview = await browser.page();
  await overview.goto(`${browser.base}/`);
  await ask("break");
  await standing("drifted");
  const record = page.locator("#spf-now");
  await record.locator("mark", { hasText: "~all" }).first().waitFor();
  await overview.locator("#wrong li", { hasText: domain }).waitFor();
  await overview.locator("#wrong li", { hasText: "spf says something else" }).waitFor();
  await page.locator(".matrix td .differs").first().waitFor();
  await page.locator("#history tr", { hasText: "drifted" }).first().waitFor();
  await browser.look(`/domains/${domain}`, "drifted");
  await browser.look("/", "trouble");

  // What is open stays open while the page changes.
  await page.locator("#spf-now details summary", { hasText: "Who says what" }).click();
  await ask("check");
  await page.waitForTimeout(2500);
  check("the votes stay open", await page.locator("#spf-now details[open] summary", { hasText: "Who says what" }).count() === 1);

  // It is silenced, and the silence is ended.
  await page.locator("#spf details.plan > summary").click();
  await page.locator("#spf").getByRole("link", { name: "Silence its alerts" }).click();
  check("the form knows the record", await page.getByLabel("record").inputValue() === "spf");
  await page.getByLabel("your name").fill("Ada");
  await page.getByLabel("why").fill("<img src=x onerror=alert(1)>");
  await page.getByRole("button", { name: "Silence" }).click();
  await page.getByText("Silenced until").waitFor();
  await page.goto(`${browser.base}/alerts`);
  await page.locator("#silences tr", { hasText: domain }).waitFor();
  await page.locator("#receivers", { hasText: "takes messages" }).waitFor();
  await page.locator("#notices tr", { hasText: "taken" }).first().waitFor();
  await browser.look("/alerts", "alerts");
  await page.getByRole("button", { name: "end it" }).click();
  await page.getByText("Nothing is silenced.").waitFor();

  // It is mended.
  await page.goto(`${browser.base}/domains/${domain}`);
  await ask("mend");
  await standing("holding");

  // A change is announced, and taken back; a wrong time is said, and nothing is lost of the page.
  await page.locator("#spf details.plan > summary").click();
  const expect = page.locator("#spf form", { hasText: "It is going to change" });
  check("the name is remembered", await expect.getByLabel("your name").inputValue() === "Ada");
  await expect.getByLabel("new value").fill("v=spf1 mx a -all");
  await expect.getByLabel("until").fill("tomorrow");
  await expect.getByLabel("why").fill("new host");
  browser.expected = /422/;
  await expect.getByRole("button", { name: "Announce" }).click();
  await page.getByRole("alert").filter({ hasText: "is not a time" }).waitFor();
  browser.expected = undefined;
  await page.goto(`${browser.base}/domains/${domain}`);
  await page.locator("#spf details.plan > summary").click();
  await expect.getByLabel("new value").fill("v=spf1 mx a -all");
  await expect.getByLabel("until").fill("2h");
  await expect.getByLabel("why").fill("new host");
  await expect.getByRole("button", { name: "Announce" }).click();
  await page.getByText("A change is announced").waitFor();
  await page.locator("#spf details.plan > summary").click();
  const withdraw = page.locator("#spf form", { hasText: "not made after all" });
  await withdraw.getByLabel("why").fill("not needed");
  await withdraw.getByRole("button").click();
  await page.getByText("The announcement is taken back.").waitFor();

  // The timeline: a window is chosen with the mouse.
  const lanes = page.locator(".lane svg").last();
  await lanes.scrollIntoViewIfNeeded();
  const lane = await lanes.boundingBox();
  await page.mouse.move(lane.x + lane.width * 0.5, lane.y + 5);
  await page.mouse.down();
  await page.mouse.move(lane.x + lane.width * 0.9, lane.y + 5, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL("**since=**");
  check("the window has bars", await page.locator(".lane rect.bar").count() > 0);
  await page.getByRole("link", { name: "day", exact: true }).click();
  await page.locator(".ranges a[aria-current]", { hasText: "day" }).waitFor();

  // Charts are drawn.
  const drawn = async (p) => { await p.locator(".chart canvas").first().waitFor(); };
  await browser.look("/sweeps", "sweeps", drawn);
  await browser.look("/resolvers", "resolvers");
  await browser.look("/history", "history");
  await page.goto(`${browser.base}/history`);
  await page.locator("#audit tr", { hasText: "Ada <b>Lovelace</b>" }).first().waitFor();

  // Strangers' bytes are only bytes.
  await page.goto(`${browser.base}/domains/${domain}`);
  await page.getByText("<script>alert(1)</script>").first().waitFor();
  check("a script of strangers ran", await page.evaluate(() => window.pwned === undefined && !document.querySelector("main script, main img")));

  await page.close();
  await overview.close();

  // Without scripts everything can be read, and the forms work.
  const plain = await browser.page({ javaScriptEnabled: false });
  await plain.goto(`${browser.base}/`);
  await plain.getByRole("link", { name: domain }).first().click();
  await plain.getByText("Who sees what").waitFor();
  await plain.getByRole("button", { name: "Check now" }).click();
  await plain.getByText(/Asked again just now|Being asked/).waitFor();
  await plain.locator(".actions summary", { hasText: "Remove" }).click();
  await plain.getByRole("button", { name: `Remove ${domain}` }).click();
  await plain.getByText("No domain is registered.").waitFor();
});
