// The file that a worker starts with: serves the page that started it. Nothing else belongs here.
import { serveCalls } from './host.ts';
import type { Port } from './protocol.ts';

serveCalls(globalThis as unknown as Port);
