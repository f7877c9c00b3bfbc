#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// Before anything else is loaded: later starts skip parsing and type stripping. Worker threads read the variable.
const { directory } = enableCompileCache();
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory;

const { runProgram } = await import('./program.ts');
await runProgram(process.argv.slice(2));
