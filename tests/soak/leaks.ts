/** `node tests/soak/leaks.ts --requests 1000000`: what the program holds after a third of them and at the end. */
import { parseArgs } from 'node:util';
import { startProgram } from '../support/running.ts';
import { load } from './leak-scenario.ts';

const { values } = parseArgs({ options: { requests: { type: 'string', default: '1000000' } } });
const running = await startProgram(10, { inside: true });
try {
  console.log(JSON.stringify(await load(running.program, running.port, Number(values.requests), (text) => console.log(text)), null, 2));
} finally {
  await running.close();
}
