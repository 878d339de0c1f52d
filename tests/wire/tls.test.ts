// TLS from the start: the same protocol over a detached secure socket.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host } from '../support/host';

describe('TLS', () => {
  it('opens a notebook and passes the pen over wss', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-tls-'));
    const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'], { stdio: 'ignore' });
    const host = await Host.start({ args: ['--tls-cert', cert, '--tls-key', key] });
    try {
      expect(host.url.startsWith('https:')).toBe(true);
      host.notebook('n.ipynb', [{ id: 'a', source: 'x'.repeat(300_000) }]);
      const agent = new https.Agent({ rejectUnauthorized: false });
      const opened = await new Promise<any>((resolve, reject) => {
        const request = https.request(`${host.url}/api/v1/notebooks/open`, { method: 'POST', agent, headers: { Authorization: `Bearer ${host.token}`, 'Content-Type': 'application/json' } }, (response) => {
          let text = '';
          response.on('data', (chunk) => (text += chunk));
          response.on('end', () => resolve(JSON.parse(text)));
        });
        request.on('error', reject);
        request.end(JSON.stringify({ path: 'n.ipynb' }));
      });
      const a = await Client.join(host, opened.session_id);
      const b = await Client.join(host, opened.session_id);
      expect(a.ready.notebook.cells[0].source).toHaveLength(300_000);
      const taken = await b.command('takeover', {}, { epoch: null });
      expect(taken.ok).toBe(true);
      await a.event('consumer-capabilities', (data) => data.consumer_capabilities.edit === false);
      const large = 'y'.repeat(500_000);
      const edit = await b.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: large }] });
      expect(edit.ok).toBe(true);
      await a.event('notebook-document-transaction', (data) => JSON.stringify(data).includes(large));
      await a.close();
      await b.close();
    } finally {
      await host.stop();
      fs.rmSync(folder, { recursive: true });
    }
  });
});
