#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// Before anything else is loaded: later starts skip parsing and type stripping.
enableCompileCache();

const { runProgram } = await import('./program.ts');
await runProgram(process.argv.slice(2));
