// Other devices: what is live there, pairing with them, and a session of theirs opened here. Two hosts, as two machines would run them.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';
import { violations } from './accessibility';
import { launch, Tab } from './support';

describe('other devices', () => {
  let desk: Host;
  let couch: Host;
  let browser: Browser;
  let context: BrowserContext;
  const shared = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-presence-'));
  beforeAll(async () => {
    [desk, couch, browser] = await Promise.all([
      Host.start({ args: ['--presence-folder', shared, '--device-name', 'Desk'] }),
      Host.start({ args: ['--presence-folder', shared, '--device-name', 'Couch'] }),
      launch(),
    ]);
    context = await browser.newContext({ reducedMotion: 'reduce' });
  });
  afterAll(async () => {
    await Promise.allSettled([browser?.close(), desk?.stop(), couch?.stop()]);
    fs.rmSync(shared, { recursive: true, force: true });
  });

  it('show what is live on them; paired, it opens here, and the pen goes between the devices', async () => {
    const home = await Tab.blank(context);
    await home.page.goto(`${couch.url}/?token=${couch.token}`);
    await home.page.getByTestId('running-sessions').waitFor();
    expect(await home.page.getByTestId('remote-sessions').count()).toBe(0);
    const info = await desk.open(desk.notebook('far away.ipynb', [{ id: 'a', source: '1' }]));
    // By name: another one may have ended a moment ago, and still be told of.
    const row = home.page.getByTestId('remote-session').filter({ hasText: /^\s*far away/ });
    await row.getByText('Desk').waitFor({ timeout: 30_000 });
    expect(await row.innerText()).toMatch(/far away/);

    // Not paired: it says so and stays where it is.
    await row.click();
    const refused = home.page.getByTestId('remote-sessions').getByRole('alert');
    await refused.waitFor();
    expect(await refused.innerText()).toMatch(/pair/i);
    expect(await violations(home.page)).toEqual([]);

    // The desk shows a code, the couch takes it.
    const there = await Tab.blank(context);
    await there.page.goto(`${desk.url}/?token=${desk.token}`);
    await there.page.getByTestId('open-settings').click();
    await there.page.getByTestId('pair').click();
    const code = await there.page.getByTestId('pair-code').inputValue();
    await there.page.getByTestId('qr').waitFor();
    expect(await violations(there.page)).toEqual([]);
    await home.page.bringToFront();
    await home.page.getByTestId('open-settings').click();
    await home.page.getByTestId('join-code').fill(`${code}@127.0.0.1:${desk.port}`);
    await home.page.getByTestId('join').click();
    await home.page.getByTestId('paired').getByText('Desk').waitFor();
    await there.page.bringToFront();
    await there.page.getByTestId('paired').getByText('Couch').waitFor();
    // Who takes a code gives less than who shows it, unless asked to.
    const granted = (device_name: string, scope: string, their_scope: string) => [expect.objectContaining({ device_name, scope, their_scope })];
    expect((await desk.get('/api/v1/devices')).body.devices).toEqual(granted('Couch', 'edit', 'view'));
    expect((await couch.get('/api/v1/devices')).body.devices).toEqual(granted('Desk', 'view', 'edit'));
    expect(await there.page.getByTestId('device').innerText()).toMatch(/Couch[\s\S]*edit/);

    await home.page.bringToFront();
    await home.page.keyboard.press('Escape');
    await row.click();
    await home.ready();
    await home.page.getByTestId('title-note').getByText('on Desk').waitFor();
    expect(await home.page.title()).toBe('far away.ipynb · on Desk · Lectern');
    expect(new URL(home.page.url()).searchParams.get('session')).toBe(info.session_id);
    await home.type('a', ' + 41');
    await home.allSent();
    const program = await Client.join(desk, info);
    expect(program.ready.notebook.cells[0].source).toBe('1 + 41');
    expect((await program.command('takeover', {})).ok).toBe(true);
    await home.becomesReader();
    await program.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'from the desk' }] });
    await home.shows('a', 'from the desk');
    await home.takeOver();
    // A reload finds it again.
    await home.page.reload();
    await home.ready();
    await home.shows('a', 'from the desk');
    await home.page.getByTestId('panel-sessions').click();
    expect(await home.page.getByTestId('remote-sessions').count()).toBe(0);

    // A link to it is for who comes to this host, and is worth what it says.
    await home.page.getByTestId('open-share').click();
    await home.page.getByTestId('share-make').click();
    const link = await home.page.getByTestId('share-link').inputValue();
    expect(new URL(link).searchParams.get('session')).toBe(info.session_id);
    await home.page.keyboard.press('Escape');
    const theirs = await browser.newContext();
    const guest = await Tab.blank(theirs);
    await guest.page.goto(link);
    await guest.ready();
    await guest.shows('a', 'from the desk');
    await guest.page.getByTestId('takeover-button').click();
    await until('it says why not', async () => (await guest.banner.getByRole('alert').count()) === 1);
    expect(await home.isReader()).toBe(false);
    await theirs.close();

    // A new notebook is made there, and opened here.
    await home.page.goto(couch.url);
    await home.page.getByTestId('new-notebook').click();
    const where = home.page.getByTestId('device-choice');
    await where.waitFor();
    expect(await where.locator('option').allInnerTexts()).toEqual(['This device', 'Desk']);
    await home.page.getByTestId('new-name').fill('made far away');
    await where.selectOption({ label: 'Desk' });
    expect(await violations(home.page)).toEqual([]);
    await home.page.getByTestId('create').click();
    await home.ready();
    await home.page.getByTestId('title-note').getByText('on Desk').waitFor();
    expect([fs.existsSync(path.join(desk.root, 'made far away.ipynb')), fs.existsSync(path.join(couch.root, 'made far away.ipynb'))]).toEqual([true, false]);
    const made = new URL(home.page.url()).searchParams.get('session');
    for (const host of [couch, desk]) await host.request('DELETE', `/api/v1/sessions/${made}`);
    // What the other device refuses is told in its words, and changes nothing.
    await home.page.goto(couch.url);
    await home.page.getByTestId('new-notebook').click();
    await home.page.getByTestId('new-name').fill('made far away');
    await where.selectOption({ label: 'Desk' });
    await home.page.getByTestId('create').click();
    await home.page.getByRole('alert').getByText('already').waitFor();

    // Let go of, it lives on there and is listed again.
    await home.page.goto(couch.url);
    await home.page.getByTestId('attached-device').getByText('on Desk').waitFor();
    expect(await violations(home.page)).toEqual([]);
    await home.page.getByTestId('detach').click();
    await home.page.getByTestId('attached-device').waitFor({ state: 'detached' });
    await row.waitFor({ timeout: 30_000 });
    expect((await desk.get(`/api/v1/sessions/${info.session_id}`)).status).toBe(200);

    await there.page.bringToFront();
    await there.page.getByTestId('unpair').click();
    await there.page.getByTestId('unpair-sure').click();
    await there.page.getByTestId('device').waitFor({ state: 'detached' });
    // A code goes with the dialog that shows it.
    await there.page.getByTestId('pair').click();
    const unused = await there.page.getByTestId('pair-code').inputValue();
    const withdrawn = there.page.waitForResponse(/pairing\/withdraw$/);
    await there.page.keyboard.press('Escape');
    expect((await withdrawn).status()).toBe(204);
    expect((await couch.post('/api/v1/pairing/join', { code: unused, address: `127.0.0.1:${desk.port}` })).body.error.code).toBe('pairing_not_offered');
    await home.page.bringToFront();
    await row.click();
    await refused.waitFor();
    await program.close();
    // The browser itself writes refused requests into its console.
    for (const tab of [home, there]) expect(tab.problems.filter((problem) => !/status of 40[139]/.test(problem))).toEqual([]);
  });
});
