// Hocuspocus as its guide starts it: rooms in memory, nothing stored.
import { createServer } from 'node:net';
import { Server } from '@hocuspocus/server';

const probe = createServer().listen(0, '127.0.0.1');
await new Promise((resolve) => probe.once('listening', resolve));
const { port } = probe.address();
await new Promise((resolve) => probe.close(resolve));
const server = new Server({ port, address: '127.0.0.1', quiet: true, stopOnSignals: false });
await server.listen();
process.on('SIGTERM', () => process.exit(0));
console.log(`listening ${port}`);
