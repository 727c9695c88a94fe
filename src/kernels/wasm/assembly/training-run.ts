// Owns which function does a training command.
import { CODE_MASK } from './opcodes';
import { gemmCommand, packCommand } from './training-gemm';
import { OP_GEMM, OP_PACK } from './training-opcodes';

/** Does items `from` to `to` of the command at `c`. */
export function train(c: usize, from: i32, to: i32, thread: i32): void {
  switch (load<u32>(c) & CODE_MASK) {
    case OP_PACK: packCommand(c, from, to); break;
    case OP_GEMM: gemmCommand(c, from, to, thread); break;
  }
}
