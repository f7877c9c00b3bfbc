import fastify from 'fastify';
import httpProxy from '@fastify/http-proxy';

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const server = fastify();
await server.register(httpProxy, { upstream: `http://127.0.0.1:${upstreamPort}`, undici: { connections: 256, pipelining: 1 } });
await server.listen({ port, host: '127.0.0.1' });
