// Two devices pair over TLS with a one-time code, each with a key of its own; what they keep, what ends it, and what
// must not be found anywhere afterwards.
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until } from '../support/host';

interface Paired {
  device_id: string;
  device_name: string;
  pin: string;
  scope: string;
  their_scope: string;
  token: string;
  digest: string;
}

const state = (host: Host) => path.join(host.home, 'state', 'lectern');
const devicesFile = (host: Host) => path.join(state(host), 'devices.json');
const kept = (host: Host): Paired[] => (fs.existsSync(devicesFile(host)) ? JSON.parse(fs.readFileSync(devicesFile(host), 'utf8')).devices : []);
/** The same host, seen with another token. */
const as = (host: Host, token: string): Host => Object.create(host, { token: { value: token } }) as Host;

/** HTTPS with the host's own certificate as the only authority, as a program of this machine would do it. */
function ask(host: Host, method: string, route: string, body?: unknown): Promise<{ status: number; body: any; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const request = https.request(
      `https://127.0.0.1:${host.port}${route}`,
      {
        method,
        agent: false,
        ca: fs.readFileSync(path.join(state(host), 'device-certificate.pem')),
        headers: { ...(host.token ? { Authorization: `Bearer ${host.token}` } : {}), ...(sent ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(sent) } : {}) },
      },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, text, body: text.startsWith('{') ? JSON.parse(text) : undefined }));
      },
    );
    request.on('error', reject);
    request.end(sent);
  });
}

/** The command line as the person of that host uses it. */
function run(host: Host, args: string[], input?: string): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(LECTERN, args, {
      env: { ...process.env, XDG_STATE_HOME: path.join(host.home, 'state'), XDG_CONFIG_HOME: path.join(host.home, 'config'), XDG_RUNTIME_DIR: path.join(host.home, 'run') },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout!.on('data', (chunk) => (stdout += chunk));
    child.stderr!.on('data', (chunk) => (stderr += chunk));
    child.on('close', (status) => resolve({ status, stdout, stderr }));
    child.stdin?.end(input);
  });
}

async function offer(host: Host, body: Record<string, unknown> = {}): Promise<string> {
  const answer = await ask(host, 'POST', '/api/v1/pairing', body);
  expect([answer.status, answer.text]).toEqual([201, expect.stringContaining('"code"')]);
  return answer.body.code;
}
const join = (host: Host, code: string, port: number, more: Record<string, unknown> = {}) => ask(host, 'POST', '/api/v1/pairing/join', { code, address: `127.0.0.1:${port}`, ...more });

describe('pairing', () => {
  let laptop: Host;
  let phone: Host;
  let shared: string;
  const everyCode: string[] = [];

  beforeAll(async () => {
    shared = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-shared-'));
    fs.chmodSync(shared, 0o700);
    const start = (name: string, bind: string) => Host.start({ args: ['--tls', '--bind', bind, '--device-name', name, '--presence-folder', shared, '--verbose'] });
    [laptop, phone] = await Promise.all([start('laptop', '0.0.0.0'), start('phone', '127.0.0.1')]);
  });
  afterAll(async () => {
    await Promise.all([laptop?.stop(), phone?.stop()]);
    fs.rmSync(shared, { recursive: true, force: true });
  });

  it('each device proves that it knows the code, and both keep what the other may do', async () => {
    const shown = JSON.parse((await run(laptop, ['pair', '--scope', 'edit', '--json'])).stdout);
    everyCode.push(shown.code);
    expect(shown.code).toMatch(/^([0-9A-Z]{4}-){4}[0-9A-Z]{4}$/);
    expect(shown.scope).toBe('edit');
    for (const address of shown.addresses) expect(address).toMatch(new RegExp(`:${laptop.port}$`));
    const typed = await run(phone, ['pair', `@127.0.0.1:${laptop.port}`], shown.code.toLowerCase().replaceAll('-', ' ') + '\n');
    expect([typed.status, typed.stderr]).toEqual([0, '']);
    expect(typed.stdout).toContain('Paired with laptop');

    const [atLaptop, atPhone] = [kept(laptop)[0]!, kept(phone)[0]!];
    expect(atLaptop).toMatchObject({ device_name: 'phone', scope: 'edit', their_scope: 'view' });
    expect(atPhone).toMatchObject({ device_name: 'laptop', device_id: shown.device_id, pin: shown.pin, scope: 'view', their_scope: 'edit' });
    for (const host of [laptop, phone]) {
      expect(fs.statSync(devicesFile(host)).mode & 0o777).toBe(0o600);
      expect(fs.statSync(path.join(state(host), 'device-key.pem')).mode & 0o777).toBe(0o600);
    }
    // The pin is that of the key which TLS shows.
    const der = execFileSync('openssl', ['x509', '-in', path.join(state(laptop), 'device-certificate.pem'), '-pubkey', '-noout'], { encoding: 'utf8' });
    const pin = execFileSync('sh', ['-c', 'openssl pkey -pubin -outform DER | openssl dgst -sha256 -r'], { input: der, encoding: 'utf8' });
    expect(pin.slice(0, 64)).toBe(shown.pin);

    const there = as(laptop, atPhone.token);
    expect((await ask(there, 'GET', '/api/v1/sessions')).status).toBe(200);
    expect((await ask(there, 'GET', '/api/v1/devices')).body.error.code).toBe('scope');
    const back = as(phone, atLaptop.token);
    expect((await ask(back, 'GET', '/api/v1/sessions')).status).toBe(200);
    expect((await ask(back, 'POST', '/api/v1/notebooks/create', { runtime: 'x' })).body.error.code).toBe('scope');
    expect((await ask(as(laptop, atLaptop.token), 'GET', '/api/v1/sessions')).status).toBe(401);

    const again = await join(phone, shown.code, laptop.port);
    expect([again.status, again.body.error.code]).toEqual([404, 'pairing_not_offered']);
    const listed = await run(laptop, ['devices']);
    expect(listed.stdout).toContain(`${atLaptop.device_id}  phone  here edit, there view`);
    expect(JSON.parse((await run(phone, ['devices', '--json'])).stdout).paired).toHaveLength(1);
  });

  it('a wrong code is counted, and the fifth ends the offer; time does too', async () => {
    const before = [kept(laptop), kept(phone)];
    const code = await offer(laptop);
    everyCode.push(code);
    const wrong = code.slice(0, -1) + (code.endsWith('0') ? '1' : '0');
    for (let i = 0; i < 5; ++i) {
      const refused = await join(phone, wrong, laptop.port);
      expect([i, refused.status, refused.body.error.code]).toEqual([i, 403, 'pairing_refused']);
    }
    expect((await join(phone, code, laptop.port)).body.error.code).toBe('pairing_not_offered');
    const short = await offer(laptop, { expires_ms: 1 });
    everyCode.push(short);
    expect((await join(phone, short, laptop.port)).body.error.code).toBe('pairing_not_offered');
    for (const [body, status] of [[{ code: 'nonsense', address: 'x' }, 400], [{ code, address: `http://192.0.2.1:${laptop.port}` }, 400], [{ code, address: '127.0.0.1:1' }, 502], [{ code, address: 'a b' }, 400]] as const) {
      expect([body.address, (await ask(phone, 'POST', '/api/v1/pairing/join', body)).status]).toEqual([body.address, status]);
    }
    const [first, shown] = [await offer(laptop), await offer(laptop)];
    everyCode.push(first, shown);
    const withdraw = async (code: string) => (await ask(laptop, 'POST', '/api/v1/pairing/withdraw', { code })).status;
    expect(await withdraw(first)).toBe(204);
    expect((await join(phone, shown.slice(0, -1) + (shown.endsWith('0') ? '1' : '0'), laptop.port)).body.error.code).toBe('pairing_refused');
    expect([await withdraw(shown.toLowerCase()), await withdraw(shown)]).toEqual([204, 204]);
    expect((await join(phone, shown, laptop.port)).body.error.code).toBe('pairing_not_offered');
    expect((await ask(laptop, 'POST', '/api/v1/pairing', { scope: 'none' })).status).toBe(400);
    for (const args of [['pair', 'nowhere'], ['pair', 'ABC@127.0.0.1'], ['pair', '--expires', 'soon'], ['unpair']]) {
      expect([args, (await run(laptop, args)).status]).toEqual([args, 2]);
    }
    expect((await join(laptop, await offer(laptop), laptop.port)).body.error.code).toBe('pairing_self');
    expect([kept(laptop), kept(phone)]).toEqual(before);
  });

  it('somebody who ends the TLS in between is refused, whether it tells of its key or hides it', async () => {
    const before = [kept(laptop), kept(phone)];
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-between-'));
    const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=laptop'], { stdio: 'ignore' });
    const own = execFileSync('sh', ['-c', `openssl x509 -in ${cert} -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r`], { encoding: 'utf8' }).slice(0, 64);
    const honest: string = kept(phone)[0]!.pin;
    let lies = false;
    const heard: string[] = [];
    const between = tls.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, (near) => {
      const far = tls.connect({ port: laptop.port, host: '127.0.0.1', rejectUnauthorized: false });
      near.on('data', (bytes) => {
        heard.push(bytes.toString());
        far.write(bytes);
      });
      far.on('data', (bytes) => near.write(lies ? bytes.toString().replaceAll(honest, own) : bytes));
      near.on('error', () => far.destroy()).on('close', () => far.end());
      far.on('error', () => near.destroy()).on('close', () => near.end());
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const port = (between.address() as { port: number }).port;
    try {
      const code = await offer(laptop);
      everyCode.push(code);
      const passive = await join(phone, code, port);
      expect([passive.status, passive.body.error.code]).toEqual([502, 'another_key']);
      expect(heard.join('')).not.toContain('"proof"');
      lies = true;
      const active = await join(phone, code, port);
      expect([active.status, active.body.error.code]).toEqual([403, 'pairing_refused']);
      expect(heard.join('')).toContain('"proof"');
      expect(heard.join('')).not.toContain(code);
      expect([kept(laptop), kept(phone)]).toEqual(before);
      // Or another one answers the second time.
      between.once('secureConnection', () => between.setSecureContext({ key: fs.readFileSync(path.join(state(phone), 'device-key.pem')), cert: fs.readFileSync(path.join(state(phone), 'device-certificate.pem')) }));
      const another = await join(phone, code, port);
      expect([another.status, another.body.error.code]).toEqual([502, 'another_key']);
      // What it heard is of no use to it.
      lies = false;
      expect((await join(phone, code, laptop.port, { scope: 'none' })).status).toBe(201);
      expect((await ask(as(phone, kept(laptop)[0]!.token), 'GET', '/api/v1/sessions')).status).toBe(401);
    } finally {
      between.close();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it('unpairing ends what is open at once, and the token opens nothing any more', async () => {
    laptop.notebook('n.ipynb', [{ id: 'a', source: 'x' }]);
    const opened = (await ask(laptop, 'POST', '/api/v1/notebooks/open', { path: 'n.ipynb' })).body;
    const { token } = kept(phone)[0]!;
    const bystander = await Client.join(laptop, opened.session_id);
    const guest = await Client.join(as(laptop, token), opened.session_id);
    expect((await guest.command('takeover', {}, { epoch: null })).ok).toBe(true);
    const member = await bystander.until('the guest with its device', () => bystander.frames.filter((frame) => frame.op === 'room-state').at(-1)?.data.members.find((one: any) => one.client_id === guest.key.id));
    expect(member.device).toBe('phone');
    expect((await run(laptop, ['unpair', 'phone'])).status).toBe(0);
    await guest.until('the socket to be closed', () => guest.closed);
    expect(guest.closed).toEqual({ code: 1008, reason: 'UNAUTHORIZED' });
    await bystander.event('room-state', (data) => data.editor === null);
    expect(bystander.closed).toBeUndefined();
    expect((await ask(as(laptop, token), 'GET', '/api/v1/sessions')).status).toBe(401);
    expect((await run(laptop, ['unpair', 'phone'])).status).toBe(1);
    await bystander.close();
  });

  it('unpairing where a session is attached ends it there', async () => {
    const code = await offer(laptop);
    everyCode.push(code);
    expect((await join(phone, code, laptop.port)).status).toBe(201);
    const { session_id } = (await ask(laptop, 'POST', '/api/v1/notebooks/open', { path: 'n.ipynb' })).body;
    const attach = `/api/v1/remote/${session_id}/attach`;
    await until('the phone sees it', async () => (await ask(phone, 'GET', '/api/v1/presence')).body.sessions.some((row: any) => row.session_id === session_id), 30_000);
    const attached = await ask(phone, 'POST', attach);
    expect([attached.status, attached.body.remote.device_name]).toEqual([200, 'laptop']);
    const viewer = await Client.join(phone, session_id);
    const bystander = await Client.join(laptop, session_id);
    expect((await run(phone, ['unpair', 'laptop'])).status).toBe(0);
    await viewer.until('the viewer to be closed', () => viewer.closed);
    expect(viewer.closed).toEqual({ code: 1008, reason: 'UNAUTHORIZED' });
    await until('it is let go', async () => (await ask(phone, 'GET', '/api/v1/sessions')).body.sessions.length === 0);
    await until('the phone sees it again', async () => (await ask(phone, 'GET', '/api/v1/presence')).body.sessions.some((row: any) => row.session_id === session_id), 30_000);
    const again = await ask(phone, 'POST', attach);
    expect([again.status, again.body.error.code]).toEqual([401, 'not_paired']);
    expect(bystander.closed).toBeUndefined();
    await bystander.close();
  });

  it('on one machine two hosts without TLS pair too; who answers a byte at a time holds nobody', async () => {
    const slow = net.createServer((socket) => {
      socket.write(Buffer.from([0x16, 3, 3, 0x3f, 0xff]));
      const timer = setInterval(() => socket.write('x'), 100);
      socket.on('error', () => {}).on('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    const waited = ask(phone, 'POST', '/api/v1/pairing/join', { code: everyCode[0], address: `https://127.0.0.1:${(slow.address() as net.AddressInfo).port}` });
    const plain = await Host.start({ args: ['--device-name', 'tablet'] });
    try {
      const code: string = (await plain.post('/api/v1/pairing', { scope: 'view' })).body.code;
      everyCode.push(code);
      const joined = await join(phone, code, plain.port, { scope: 'edit' });
      expect([joined.status, joined.body.device_name]).toEqual([201, 'tablet']);
      const there = kept(phone).find((one) => one.device_name === 'tablet')!;
      expect(there).toMatchObject({ scope: 'edit', their_scope: 'view' });
      expect((await as(plain, there.token).get('/api/v1/sessions')).status).toBe(200);
      // The address bar is no place for it, and it is not swapped for anybody's cookie.
      const page = await fetch(`${plain.url}/?token=${there.token}`, { redirect: 'manual' });
      expect([page.status, page.headers.get('set-cookie')]).toEqual([401, null]);
      const held = await waited;
      expect([held.status, held.body.error.code]).toEqual([502, 'unreachable']);
    } finally {
      slow.close();
      await plain.stop();
    }
  });

  it('neither a code nor a token is anywhere but in devices.json', async () => {
    everyCode.push(await offer(laptop));
    expect((await join(phone, everyCode.at(-1)!, laptop.port)).status).toBe(201);
    const tokens = [...kept(laptop), ...kept(phone)].map((one) => one.token);
    expect(tokens.length).toBeGreaterThan(2);
    const secrets = [...everyCode, ...everyCode.map((code) => code.replaceAll('-', '')), ...tokens.map((token) => token.slice(token.indexOf('.') + 1))];
    const record = await until('the record of the other device', () => (fs.readdirSync(shared, { recursive: true }) as string[]).filter((name) => name.endsWith('.json')).length >= 2);
    expect(record).toBe(true);
    const places = new Map<string, string>([
      ['the log of the laptop', laptop.stderr],
      ['the log of the phone', phone.stderr],
      ['presence', (await ask(laptop, 'GET', '/api/v1/presence')).text],
      ['devices', (await ask(laptop, 'GET', '/api/v1/devices')).text],
      ['metrics', (await ask(laptop, 'GET', '/metrics')).text],
    ]);
    for (const host of [laptop, phone]) {
      for (const kind of ['cmdline', 'environ']) places.set(`${kind} of ${host.port}`, fs.readFileSync(`/proc/${host.process.pid}/${kind}`, 'latin1'));
    }
    for (const folder of [shared, laptop.home, phone.home, laptop.root, phone.root]) {
      for (const name of fs.readdirSync(folder, { recursive: true }) as string[]) {
        const file = path.join(folder, name);
        if (path.basename(file) === 'devices.json') continue;
        try {
          if (fs.statSync(file).isFile()) places.set(file, fs.readFileSync(file, 'latin1'));
        } catch (error) {
          // Written under another name and renamed, or gone with what it was for.
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        }
      }
    }
    expect(places.size).toBeGreaterThan(12);
    for (const [place, text] of places) {
      for (const secret of secrets) expect([place, text.includes(secret)]).toEqual([place, false]);
    }
    for (const host of [laptop, phone]) {
      for (const code of everyCode) expect(fs.readFileSync(devicesFile(host), 'utf8')).not.toContain(code);
      for (const one of kept(host)) expect(one.digest).toMatch(/^[0-9a-f]{64}$/);
    }
    const key = fs.readFileSync(path.join(state(laptop), 'device-key.pem'), 'utf8').split('\n')[1]!;
    for (const [place, text] of places) {
      if (!place.endsWith('device-key.pem')) expect([place, text.includes(key)]).toEqual([place, false]);
    }
  });
});

/** A device as docs/pairing.md has it, without a host. */
class Device {
  private readonly pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly key = this.pair.publicKey.export({ type: 'spki', format: 'der' });
  readonly said: Said;
  constructor(name: string, grants: string, id = crypto.randomBytes(16).toString('hex')) {
    const pin = crypto.createHash('sha256').update(this.key).digest('hex');
    this.said = { device_id: id, device_name: name, pin, nonce: crypto.randomBytes(32).toString('hex'), grants };
  }
  sign = (statement: string) => crypto.sign('sha256', Buffer.from(statement), this.pair.privateKey).toString('base64');
}
interface Said {
  device_id: string;
  device_name: string;
  pin: string;
  nonce: string;
  grants: string;
}
type Side = 'offering' | 'accepting';

const hmac = (key: string | Buffer, text: string) => crypto.createHmac('sha256', key).update(text).digest();
const fields = (...texts: string[]) => texts.map((text) => `${Buffer.byteLength(text)}:${text}`).join('');
const spoken = (one: Said) => fields(one.device_id, one.device_name, one.pin, one.nonce, one.grants);
function worked(code: string, offering: Said, accepting: Said) {
  const both = spoken(offering) + spoken(accepting);
  const key = hmac(code, fields('lectern pairing 1') + both);
  return {
    proof: (side: Side) => hmac(key, `proof of the ${side} device`).toString('hex'),
    statement: (side: Side) => fields(`lectern pairing 1: the key of the ${side} device`) + both + fields(hmac(key, `statement of the ${side} device`).toString('hex')),
    token: (side: Side) => `ld_${(side === 'offering' ? offering : accepting).device_id}.${hmac(key, `token of the ${side} device`).toString('base64url')}`,
  };
}

describe('the key of a device that pairs', () => {
  let laptop: Host;
  const another = 'ABCD-ABCD-ABCD-ABCD-ABCD';
  const accept = (body: unknown) => ask(as(laptop, ''), 'POST', '/api/v1/pairing/accept', body);

  beforeAll(async () => {
    laptop = await Host.start({ args: ['--tls', '--device-name', 'laptop'] });
  });
  afterAll(() => laptop?.stop());

  it('is proven by the one that accepts: who knows the code alone is refused, and that is a try', async () => {
    const code = await offer(laptop, { scope: 'view' });
    const [watch, thief] = [new Device('watch', 'none'), new Device('watch', 'none')];
    const greeting = (await accept(watch.said)).body as Said;
    const keys = worked(code, greeting, watch.said);
    const proof = keys.proof('accepting');
    const key = watch.key.toString('base64');
    const statement = keys.statement('accepting');
    const wrong: [string, Record<string, unknown>][] = [
      ['no signature', { proof }],
      ['one by another key', { proof, key, signature: thief.sign(statement) }],
      ['another key', { proof, key: thief.key.toString('base64'), signature: thief.sign(statement) }],
      ['one of another code', { proof, key, signature: watch.sign(worked(another, greeting, watch.said).statement('accepting')) }],
    ];
    for (const [what, proofs] of wrong) {
      const refused = await accept({ ...watch.said, ...proofs });
      expect([what, refused.status, refused.body.error?.code]).toEqual([what, 403, 'key_unproven']);
      expect(refused.body.error.message).toContain('did not show that it has the key');
      expect(refused.body.error.hint).toContain('end the offer');
    }
    expect(kept(laptop)).toEqual([]);
    const done = await accept({ ...watch.said, proof, key, signature: watch.sign(statement) });
    expect([done.status, done.body.proof]).toEqual([200, keys.proof('offering')]);
    expect(kept(laptop)).toMatchObject([{ device_id: watch.said.device_id, pin: watch.said.pin, scope: 'view' }]);
    expect((await ask(as(laptop, keys.token('accepting')), 'GET', '/api/v1/sessions')).status).toBe(200);
    // And the laptop has answered for its own.
    const shown = Buffer.from(done.body.key, 'base64');
    expect(crypto.createHash('sha256').update(shown).digest('hex')).toBe(greeting.pin);
    const own = crypto.createPublicKey({ key: shown, format: 'der', type: 'spki' });
    expect(crypto.verify('sha256', Buffer.from(keys.statement('offering')), own, Buffer.from(done.body.signature, 'base64'))).toBe(true);

    // The one that has the id of the watch, and its pin, and not its key, does not end what the watch uses.
    const next = await offer(laptop);
    const again = worked(next, (await accept(watch.said)).body, watch.said);
    const stolen = { ...watch.said, proof: again.proof('accepting'), key, signature: thief.sign(again.statement('accepting')) };
    for (let i = 0; i < 5; ++i) expect([i, (await accept(stolen)).body.error.code]).toEqual([i, 'key_unproven']);
    expect((await accept({ ...stolen, signature: watch.sign(again.statement('accepting')) })).body.error.code).toBe('pairing_not_offered');
    expect((await ask(as(laptop, keys.token('accepting')), 'GET', '/api/v1/sessions')).status).toBe(200);
  });

  it('is proven by the one that offers too, without TLS as well', async () => {
    const code = 'ABCD-ABCD-ABCD-ABCD-ABCE';
    const [watch, thief] = [new Device('watch', 'edit'), new Device('watch', 'edit')];
    let sign: (statement: string) => Record<string, string> = () => ({});
    const server = http.createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk));
      request.on('end', () => {
        const { proof, ...said } = JSON.parse(text);
        const keys = worked(code, watch.said, said);
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify(proof === undefined ? watch.said : { proof: keys.proof('offering'), ...sign(keys.statement('offering')) }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
    const key = watch.key.toString('base64');
    try {
      for (const one of [sign, (statement: string) => ({ key, signature: thief.sign(statement) }), (statement: string) => ({ key: thief.key.toString('base64'), signature: thief.sign(statement) })]) {
        sign = one;
        const refused = await ask(laptop, 'POST', '/api/v1/pairing/join', { code, address });
        expect([refused.status, refused.body.error.code]).toEqual([502, 'key_unproven']);
      }
      expect(kept(laptop).map((one) => one.device_id)).not.toContain(watch.said.device_id);
      sign = (statement) => ({ key, signature: watch.sign(statement) });
      expect((await ask(laptop, 'POST', '/api/v1/pairing/join', { code, address })).status).toBe(201);
      expect(kept(laptop)).toContainEqual(expect.objectContaining({ device_id: watch.said.device_id, pin: watch.said.pin, their_scope: 'edit' }));
    } finally {
      server.close();
    }
  });
});
